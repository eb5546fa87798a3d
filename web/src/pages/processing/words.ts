/** How acting is told to people. Pure. */
import type {Backtest, Decision, WouldBe} from "../../api/acting";
import {inPath} from "../../api/client";
import {clock, compact, dateTime} from "../../text";

export const watchHref = (name: string): string => `/processing/watches/${inPath(name)}`;
export const watchPath = (name: string): string => `/v1/watches/${inPath(name)}`;
export const modelHref = (name: string): string => `/processing/models/${inPath(name)}`;
export const modelPath = (name: string): string => `/v1/models/${inPath(name)}`;
export const actionHref = (name: string): string => `/processing/actions/${inPath(name)}`;
export const actionPath = (name: string): string => `/v1/actions/${inPath(name)}`;
export const triggerHref = (name: string): string => `/processing/triggers/${inPath(name)}`;
export const triggerPath = (name: string): string => `/v1/triggers/${inPath(name)}`;
export const decisionHref = (id: string): string => `/processing/decisions/${encodeURIComponent(id)}`;

const EVENTS: Record<string, string> = {
  opened: "opened",
  raised: "got worse",
  lowered: "got better",
  resolved: "is over",
  unverified: "was not helped by the action",
  flapping: "flaps",
  steady: "is steady again",
  window: "a window",
};
export const eventWords = (event: string | null | undefined): string => (event ? (EVENTS[event] ?? event) : "");

/** Who decided: a watch with its key, a trigger, a notebook. */
export function makerOf(decision: Pick<Decision, "watch" | "trigger" | "run" | "consumer"> & {key?: string | null}): string {
  if (decision.watch) return decision.key ? `${decision.watch}: ${keyWords(decision.key)}` : decision.watch;
  if (decision.trigger) return `trigger ${decision.trigger}`;
  return decision.consumer || "notebook";
}

/** A key of several fields is JSON; told as its values. */
export function keyWords(key: string | null | undefined): string {
  if (key === null || key === undefined || key === "") return "all";
  if (!/^[[{]/.test(key)) return key;
  try {
    const parsed: unknown = JSON.parse(key);
    return (Array.isArray(parsed) ? parsed : Object.values(parsed as object)).map(String).join(" · ");
  } catch {
    return key;
  }
}

const STATES: Record<string, string> = {
  held: "waits for approval",
  deferred: "waits: its target fails",
  pending: "to be delivered",
  sent: "delivered",
  failed: "not delivered",
  stopped: "held back",
  expired: "expired",
  noted: "noted",
};
export const stateWords = (state: string): string => STATES[state] ?? state;
export const stateKind = (state: string): string =>
  ["held", "pending", "deferred"].includes(state) ? "live" : state === "sent" ? "good" : ["failed", "expired"].includes(state) ? "bad" : "";

export const score = (value: unknown): string =>
  typeof value === "number" ? (value > 0.99 && value < 1 ? value.toFixed(5).replace(/\.?0+$/, "") : value.toFixed(3)) : "–";
export const figure = (value: unknown): string =>
  typeof value === "number" ? (Math.abs(value) >= 100 || value === 0 ? compact(value) : Number(value.toPrecision(4)).toString()) : "–";

export function windowText(window: {start: string; end: string}): string {
  const day = (at: string): string => dateTime(at).slice(0, 10);
  return `${dateTime(window.start)} to ${day(window.start) === day(window.end) ? clock(window.end) : dateTime(window.end)}`;
}

export const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** A back-test decides about all keys; null: of all. */
export const ofKey = (answer: Backtest, key: string | null): WouldBe[] =>
  key === null ? answer.decisions : answer.decisions.filter((one) => one.key === key || one.key === "*");

/** What makes two decisions of a back-test the same one. */
export const sameness = (decision: WouldBe): string =>
  [decision.key ?? "", decision.event ?? "", decision.level ?? "", decision.window?.end ?? "", decision.action].join("\n");

export interface Difference {
  both: WouldBe[];
  only: WouldBe[];
  gone: WouldBe[];
}
/** What another definition decides otherwise. */
export function differ(before: WouldBe[], now: WouldBe[]): Difference {
  const had = new Set(before.map(sameness));
  const has = new Set(now.map(sameness));
  return {
    both: now.filter((one) => had.has(sameness(one))),
    only: now.filter((one) => !had.has(sameness(one))),
    gone: before.filter((one) => !has.has(sameness(one))),
  };
}
