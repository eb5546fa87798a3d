/** Everything that happens to the tenant, followed once for the whole page. */
import {connection} from "./connection";
import {follow} from "./sse";

/** `event` is "object.created", "run.finished" …; "reset" when some were missed: read again what you show. */
export type Listener = (event: string, detail: Record<string, unknown>) => void;

const listeners = new Set<Listener>();
let stop: (() => void) | null = null;

/** Calls `listener` for each event; returns how to stop. */
export function onEvents(listener: Listener): () => void {
  listeners.add(listener);
  stop ??= follow("/v1/events", ({event, data}) => tell(event, JSON.parse(data || "{}") as Record<string, unknown>));
  return () => {
    listeners.delete(listener);
  };
}

function tell(event: string, detail: Record<string, unknown>): void {
  for (const listener of [...listeners]) listener(event, detail);
}

connection.onBack(() => tell("reset", {}));
