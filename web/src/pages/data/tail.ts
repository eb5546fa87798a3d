/** The newest messages of a stream as they come. However fast they are, at most KEPT are held and the page is told at most
 * five times a second. */
import {useEffect, useRef, useState} from "preact/hooks";
import {openSocket} from "../../api/socket";
import {type Item, streamPath} from "./stream-model";

export const KEPT = 200;
const REDRAW_MS = 200;

export interface Tail {
  /** Newest first. */
  items: Item[];
  /** How many came since the page looked. */
  seen: number;
  isOpen: boolean;
}

/** Follows from the offset `from` (null: not yet). While `isPaused` what is given stays; what came meanwhile is there after. */
export function useTail(stream: string, from: number | null, isPaused: boolean): Tail {
  const [tail, show] = useState<Tail>({items: [], seen: 0, isOpen: false});
  const held = useRef<Tail>({items: [], seen: 0, isOpen: false});
  const paused = useRef(isPaused);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  paused.current = isPaused;
  const draw = (): void => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      show((old) => (paused.current ? {...held.current, items: old.items} : {...held.current}));
    }, REDRAW_MS);
  };
  useEffect(() => {
    if (from === null) return undefined;
    let next = from;
    held.current = {items: [], seen: 0, isOpen: false};
    const stop = openSocket(() => `${streamPath(stream)}/tail?from=${next}`, (text) => {
      const {items} = JSON.parse(text) as {items?: Item[]};
      if (!items?.length) return;
      next = (items.at(-1)?.offset ?? next) + 1;
      held.current = {isOpen: true, seen: held.current.seen + items.length, items: [...items.slice(-KEPT).reverse(), ...held.current.items].slice(0, KEPT)};
      draw();
    }, (isOpen) => {
      held.current = {...held.current, isOpen};
      draw();
    });
    return () => {
      stop();
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [stream, from]);
  useEffect(draw, [isPaused]);
  return tail;
}
