/** Keeps a scrolling element at its end while its content grows, until the reader scrolls up. */
import { useSignal } from '@preact/signals';
import type { RefObject } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

/** Pixels that count as being at the end: rounding at fractional zoom. */
const tolerance = 4;

/** last: what stands at the end; another one is followed again (a new question), undefined is not: there the beginning counts. */
export function useStickToEnd(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  last: unknown,
): { readonly isAtEnd: boolean; readonly goToEnd: () => void } {
  const isAtEnd = useSignal(true);
  const lastTop = useRef(0);
  const isFollowing = useRef(false);
  isFollowing.current = last !== undefined;

  function goToEnd(): void {
    isAtEnd.value = true;
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }

  useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    const onScroll = () => {
      const distance = element.scrollHeight - element.clientHeight - element.scrollTop;
      const wentUp = element.scrollTop < lastTop.current;
      lastTop.current = element.scrollTop;
      if (distance <= tolerance) isAtEnd.value = true;
      else if (wentUp) isAtEnd.value = false;
    };
    const onResize = () => {
      if (isFollowing.current && isAtEnd.peek()) element.scrollTop = element.scrollHeight;
    };
    const observer = new ResizeObserver(onResize);
    observer.observe(inner);
    observer.observe(element);
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', onScroll);
    };
  }, []);

  useEffect(() => {
    if (isFollowing.current) goToEnd();
    else scroller.current?.scrollTo({ top: 0 });
  }, [last]);

  return { isAtEnd: isAtEnd.value || last === undefined, goToEnd };
}
