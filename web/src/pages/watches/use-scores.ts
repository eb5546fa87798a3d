/** What a watch sees of one key over a range: read again while it goes on. */
import type {Decision, Scores} from "../../api/acting";
import type {List} from "../../api/client";
import type {Judged} from "../../charts/judged";
import {type Resource, useResource} from "../../resource";
import {watchPath} from "../processing/words";

export interface Range {
  last: string | null;
  from: string | null;
  to: string | null;
}

const DECISIONS_MAX = 1000;

function query(range: Range, key: string | null): string {
  const asked = new URLSearchParams();
  if (key !== null) asked.set("key", key);
  if (range.from && range.to) {
    asked.set("from", range.from);
    asked.set("to", range.to);
  } else if (range.last) asked.set("last", range.last);
  return asked.toString();
}

export function useScores(name: string, key: string | null, range: Range, isLive: boolean, every_ms: number): Resource<Scores> {
  const isMoving = isLive && range.from === null;
  return useResource<Scores>(`${watchPath(name)}/scores?${query(range, key)}`, {on: ["anomaly.", "watch."], ...(isMoving ? {every: every_ms} : {})});
}

export function useDecisions(name: string, key: string | null, range: [number, number] | null): Decision[] {
  const asked = new URLSearchParams({watch: name, limit: String(DECISIONS_MAX)});
  if (key !== null) asked.set("key", key);
  const found = useResource<List<Decision>>(`/v1/decisions?${asked.toString()}`, {on: ["anomaly.", "decision."], every: 5000}).data?.items ?? [];
  return range ? found.filter((one) => one.window && Date.parse(one.window.end) >= range[0]) : found;
}

export function judged(scores: Scores): Judged {
  return {
    x: scores.times.map((at) => at / 1e6),
    values: scores.values,
    expected: scores.expected,
    low: scores.low,
    high: scores.high,
    scores: scores.scores,
  };
}
