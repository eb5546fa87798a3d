/** States, tags, times, progress. */
import {useEffect, useState} from "preact/hooks";
import {ago, dateTime} from "../text";

const GOOD = ["success", "succeeded", "finished", "done", "running", "ok", "ready", "idle", "live"];
const BAD = ["failed", "error", "dead", "interrupted", "timed_out", "refused", "broken"];
const LIVE = ["running", "starting", "busy", "queued", "restarting", "connecting"];

/** A state's name with its colour; the name alone says it too. */
export function StateBadge({state, title}: {state: string; title?: string}) {
  const kind = LIVE.includes(state) ? "live" : GOOD.includes(state) ? "good" : BAD.includes(state) ? "bad" : "";
  return <span class={`state ${kind}`} title={title}>{state.replace(/_/g, " ")}</span>;
}

export function Tag({children}: {children: string}) {
  return <span class="tag">{children}</span>;
}

/** "3 min ago", kept true; the exact time on hover. */
export function Time({at}: {at: string | number}) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 10_000);
    return () => clearInterval(timer);
  }, []);
  return <time dateTime={new Date(at).toISOString()} title={dateTime(at)}>{ago(at)}</time>;
}

/** `value` from 0 to 1; null: under way, nobody knows how far. */
export function Progress({value, label}: {value: number | null; label: string}) {
  return (
    <div class="progress" role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100}
      aria-valuenow={value === null ? undefined : Math.round(value * 100)}>
      <i ref={(bar) => void (bar && (bar.style.width = `${value === null ? 35 : Math.round(value * 1000) / 10}%`))} />
    </div>
  );
}
