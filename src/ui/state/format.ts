/** Figures as text. Decimal units (1 MB = 10⁶ bytes), as file sizes are given by model hosts. */

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (unit < units.length - 1 && Number(value.toPrecision(3)) >= 1000) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? String(value) : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

/** Milliseconds below a second, then seconds, then minutes. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 9.95 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

export function formatRate(tokensPerSecond: number): string {
  return `${tokensPerSecond.toFixed(tokensPerSecond < 9.95 ? 2 : tokensPerSecond < 99.5 ? 1 : 0)} tok/s`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** 1 step, 1,148 steps. */
export function formatSteps(steps: number): string {
  return `${formatCount(steps)} ${steps === 1 ? 'step' : 'steps'}`;
}

/** A share of one: 0.4 %, 12 %, 128 %. */
export function formatShare(share: number): string {
  const percent = share * 100;
  return `${percent.toFixed(percent > 0 && percent < 9.95 ? 1 : 0)} %`;
}

/** Parameters of a model: 135 M, 7.2 B. */
export function formatParameters(parameters: number): string {
  if (parameters >= 999.5e6) return `${(parameters / 1e9).toFixed(1)} B`;
  if (parameters >= 1e6) return `${Math.round(parameters / 1e6)} M`;
  return formatCount(parameters);
}
