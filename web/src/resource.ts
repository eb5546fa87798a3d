/** A thing of the server as a component sees it: read, read again when something happened, never out of date. */
import {useCallback, useEffect, useLayoutEffect, useRef, useState} from "preact/hooks";
import {api, Problem} from "./api/client";
import {connection} from "./api/connection";
import {onEvents} from "./api/events";

export interface Resource<T> {
  data: T | null;
  problem: Problem | null;
  isLoading: boolean;
  /** Read it again now. */
  refresh: () => void;
}

export interface ResourceOptions {
  /** Beginnings of event names that make it be read again: ["object."], ["run.", "stream."]. */
  on?: string[];
  /** Also each so many milliseconds while the page is visible. */
  every?: number;
}

const GENTLE_MS = 400;

/** Reads `path` (null: nothing yet). What was read stays while it is read again. */
export function useResource<T>(path: string | null, options: ResourceOptions = {}): Resource<T> {
  const [state, set] = useState<{path: string | null; data: T | null; problem: Problem | null; isLoading: boolean}>(
    {path, data: null, problem: null, isLoading: path !== null});
  const counter = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const refresh = useCallback(() => {
    if (path === null) return;
    const mine = ++counter.current;
    api<T>(path).then(
      (data) => mine === counter.current && set({path, data, problem: null, isLoading: false}),
      (problem) => mine === counter.current && set((old) => ({
        path, data: old.path === path ? old.data : null, isLoading: false,
        problem: problem instanceof Problem ? problem : new Problem(0, "unknown", "That did not work", String(problem), null, null, {}),
      })));
  }, [path]);
  useLayoutEffect(() => { // asked before anything is painted
    set((old) => (old.path === path ? {...old, isLoading: old.data === null} : {path, data: null, problem: null, isLoading: path !== null}));
    refresh();
    return () => {
      counter.current++;
    };
  }, [refresh]);
  const on = (options.on ?? []).join(" ");
  useEffect(() => {
    const soon = (): void => {
      timer.current ??= setTimeout(() => {
        timer.current = undefined;
        refresh();
      }, GENTLE_MS);
    };
    const stopBack = connection.onBack(refresh);
    const stopEvents = on
      ? onEvents((event) => {
          if (event === "reset" || on.split(" ").some((start) => event.startsWith(start))) soon();
        })
      : () => undefined;
    const ticking = options.every ? setInterval(() => document.visibilityState === "visible" && refresh(), options.every) : undefined;
    return () => {
      stopBack();
      stopEvents();
      clearInterval(ticking);
      clearTimeout(timer.current);
      timer.current = undefined;
    };
  }, [refresh, on, options.every]);
  if (state.path !== path) return {data: null, problem: null, isLoading: path !== null, refresh};
  return {...state, refresh};
}
