/** Python's `strftime` in the C locale: chat templates expect English whatever the browser's language. */

/** Reads `date` in local time. Knows %Y %y %m %d %B %b %A %a %H %I %M %S %p %%, and `-` for no padding (%-d);
 *  other directives stay as they are. */
export function strftime(date: Date, format: string): string {
  const english = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-US', options).format(date);
  const fields: Readonly<Record<string, number | string>> = {
    Y: date.getFullYear(),
    y: date.getFullYear() % 100,
    m: date.getMonth() + 1,
    d: date.getDate(),
    B: english({ month: 'long' }),
    b: english({ month: 'short' }),
    A: english({ weekday: 'long' }),
    a: english({ weekday: 'short' }),
    H: date.getHours(),
    I: date.getHours() % 12 || 12,
    M: date.getMinutes(),
    S: date.getSeconds(),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    '%': '%',
  };
  return format.replace(/%(-?)([A-Za-z%])/g, (directive, dash: string, letter: string) => {
    const value = fields[letter];
    if (value === undefined) return directive;
    return typeof value === 'number' && dash === '' ? String(value).padStart(2, '0') : String(value);
  });
}
