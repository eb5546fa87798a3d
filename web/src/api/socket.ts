/** A WebSocket that comes back by itself. */
import {connection, isOnline} from "./connection";
import {readSession, untilSignedIn} from "./session";

const WAIT_MAX_MS = 8000;

/**
 * Opens `path()` (asked anew each time, so that it can say where to go on) and hands over each message's text.
 * Closed by the returned function; `state` hears true when it is open and false when it is away.
 */
export function openSocket(path: () => string, tell: (text: string) => void, state?: (open: boolean) => void): () => void {
  let socket: WebSocket | null = null;
  let isOver = false;
  let wait_ms = 250;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const connect = (): void => {
    if (isOver) return;
    const address = new URL(path(), location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const mine = new WebSocket(address);
    socket = mine;
    mine.onopen = () => {
      wait_ms = 250;
      connection.found();
      state?.(true);
    };
    mine.onmessage = (message) => tell(message.data as string);
    mine.onclose = (event) => {
      if (isOver) return;
      state?.(false);
      void again(event.code);
    };
  };
  const again = async (code: number): Promise<void> => {
    // The reason of a refused handshake is not told to scripts: ask what a plain request would be answered.
    if (code === 1008 || code === 1006) {
      try {
        if (!(await readSession())) await untilSignedIn();
      } catch {
        connection.lost();
      }
    }
    clearTimeout(timer);
    timer = setTimeout(connect, isOnline.value ? wait_ms : WAIT_MAX_MS);
    wait_ms = Math.min(wait_ms * 2, WAIT_MAX_MS);
  };
  const stopBack = connection.onBack(() => {
    if (socket?.readyState === WebSocket.CLOSED) {
      clearTimeout(timer);
      connect();
    }
  });
  connect();
  return () => {
    isOver = true;
    clearTimeout(timer);
    stopBack();
    socket?.close();
  };
}
