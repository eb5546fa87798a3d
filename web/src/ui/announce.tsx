/** What screen readers are told: politely, and not more often than every few seconds. */
import {signal} from "@preact/signals";

const EVERY_MS = 2000;
const said = signal("");
let last = 0;
let timer: ReturnType<typeof setTimeout> | undefined;

export function announce(text: string): void {
  clearTimeout(timer);
  const wait = Math.max(0, last + EVERY_MS - Date.now());
  timer = setTimeout(() => {
    last = Date.now();
    said.value = text;
  }, wait);
}

export function Announce() {
  return <div class="sr" role="status" aria-live="polite">{said.value}</div>;
}
