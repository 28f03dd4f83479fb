/** Runs a function at the next animation frame; many requests before it run it once.
 *  Hidden pages get no frames, so a timer runs it there. */
export interface FrameQueue {
  request(run: () => void): void;
}

export function createFrameQueue(): FrameQueue {
  let isRequested = false;
  return {
    request(run) {
      if (isRequested) return;
      isRequested = true;
      const once = () => {
        if (!isRequested) return;
        isRequested = false;
        cancelAnimationFrame(frame);
        clearTimeout(timer);
        run();
      };
      const frame = requestAnimationFrame(once);
      const timer = setTimeout(once, 250);
    },
  };
}
