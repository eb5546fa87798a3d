/** Is the server there? Requests and streams report; the shell shows it and knocks until it is back. */
import {signal} from "@preact/signals";

export const isOnline = signal(true);

let listeners: (() => void)[] = [];
let timer: ReturnType<typeof setTimeout> | undefined;
let wait_ms = 500;

async function knock(): Promise<void> {
  try {
    if ((await fetch("/healthz", {cache: "no-store"})).ok) {
      connection.found();
      return;
    }
  } catch {
    // still away
  }
  wait_ms = Math.min(wait_ms * 1.6, 8000);
  timer = setTimeout(() => void knock(), wait_ms);
}

export const connection = {
  lost(): void {
    if (!isOnline.value) return;
    isOnline.value = false;
    wait_ms = 500;
    timer = setTimeout(() => void knock(), wait_ms);
  },
  found(): void {
    clearTimeout(timer);
    if (isOnline.value) return;
    isOnline.value = true;
    for (const tell of [...listeners]) tell();
  },
  /** Calls `tell` whenever the server is back; returns how to stop. */
  onBack(tell: () => void): () => void {
    listeners.push(tell);
    return () => {
      listeners = listeners.filter((other) => other !== tell);
    };
  },
};
