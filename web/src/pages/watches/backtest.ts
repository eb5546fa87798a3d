/** Back-tests as the page makes them: a question that changes while somebody drags; the last one asked is answered. */
import {useEffect, useRef, useState} from "preact/hooks";
import type {Backtest, WatchDefinition} from "../../api/acting";
import {api, Problem} from "../../api/client";

export interface Question {
  watch?: string;
  definition?: Partial<WatchDefinition>;
  from?: string;
  to?: string;
  last?: string;
  key?: string | null;
  scores?: boolean;
  model_version?: number;
}
export interface Answered {
  question: string | null;
  answer: Backtest | null;
  problem: Problem | null;
  isAsking: boolean;
}

const CALM_MS = 250;
const KEPT = 12;
const known = new Map<string, Backtest>();

/** null: nothing is asked. While a new answer is on its way the old one stays, and `isAsking` says so. */
export function useBacktest(question: Question | null): Answered {
  const text = question ? JSON.stringify(question) : null;
  const [state, set] = useState<Answered>({question: null, answer: null, problem: null, isAsking: false});
  const first = useRef(true);
  useEffect(() => {
    if (text === null) {
      set({question: null, answer: null, problem: null, isAsking: false});
      return;
    }
    const before = known.get(text);
    if (before) {
      set({question: text, answer: before, problem: null, isAsking: false});
      return;
    }
    const stop = new AbortController();
    set((old) => ({...old, isAsking: true}));
    const timer = setTimeout(
      () => {
        api<Backtest>("/v1/backtests", {method: "POST", body: JSON.parse(text), signal: stop.signal}).then(
          (answer) => {
            known.set(text, answer);
            if (known.size > KEPT) known.delete(known.keys().next().value as string);
            set({question: text, answer, problem: null, isAsking: false});
          },
          (error: unknown) => {
            if (!stop.signal.aborted) set({question: text, answer: null, problem: error instanceof Problem ? error : null, isAsking: false});
          },
        );
      },
      first.current ? 0 : CALM_MS,
    );
    first.current = false;
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  return state;
}
