/** Decisions as stretches of levels, from opened to resolved, by the starts of their windows as scores have them. Pure. */
import type {WouldBe} from "../../api/acting";

export interface Stretch {
  from_ms: number;
  to_ms: number | null;
  level: string;
  isOpen: boolean;
}

const when = (decision: WouldBe): number => Date.parse(decision.window?.start ?? decision.decided_at ?? "");

/** By key, so that the stretches of several do not run into each other. */
export function stretches(decisions: WouldBe[]): Stretch[] {
  const found: Stretch[] = [];
  const open = new Map<string, Stretch>();
  const sorted = decisions.filter((one) => one.event && !Number.isNaN(when(one))).toSorted((a, b) => when(a) - when(b));
  for (const one of sorted) {
    const key = one.key ?? "";
    const at = when(one);
    const now = open.get(key);
    if (!["opened", "raised", "lowered", "resolved"].includes(one.event ?? "")) continue;
    if (now) {
      if (one.event === "opened" && at === now.from_ms) continue; // another action of the same step
      if (now.level === one.level && one.event !== "resolved") continue;
      now.to_ms = at;
      now.isOpen = false;
      open.delete(key);
    }
    if (one.event === "resolved" || !one.level || one.level === "ok") continue;
    const next: Stretch = {from_ms: at, to_ms: null, level: one.level, isOpen: true};
    open.set(key, next);
    found.push(next);
  }
  return found;
}

/** Steps that begin or worsen an episode, once each though several actions are told of it. */
export function alarms(decisions: WouldBe[]): WouldBe[] {
  const seen = new Set<string>();
  return decisions.filter((one) => {
    const name = `${one.key ?? ""}\n${one.event}\n${one.window?.end}`;
    if (!["opened", "raised"].includes(one.event ?? "") || seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
