/** A part that is wider or higher than its room can be scrolled by the keyboard too. */
import type {RefObject} from "preact";
import {useEffect} from "preact/hooks";

export function useScrollable(place: RefObject<HTMLElement | null>, label = "Output, scrollable"): void {
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    const look = (): void => {
      const isWide = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1;
      if (isWide) {
        element.tabIndex = 0;
        element.setAttribute("role", "group");
        element.setAttribute("aria-label", label);
      } else for (const name of ["tabindex", "role", "aria-label"]) element.removeAttribute(name);
    };
    const observer = new ResizeObserver(look);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
}
