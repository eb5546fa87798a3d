/** A stream's definition while somebody fills it in: texts, as the controls have them. */
import type {StreamDefinition} from "./stream-model";

export type Kind = "push" | "amqp" | "derived";
export interface Binding { exchange: string; key: string; headers: string }
export interface Aggregate { name: string; is: string }

export interface Draft {
  kind: Kind; name: string; description: string; format: string; timeField: string; timeFormat: string; timeMissing: string; key: string;
  delay: string; skew: string; idle: string; age: string; bytes: string; messages: string; messageBytes: string; perSecond: string; paused: boolean;
  url: string; user: string; secret: string; queue: string; declares: boolean; queueType: string; durable: boolean; queueArguments: string;
  bind: Binding[]; prefetch: string; heartbeat: string; ca: string; verify: boolean; ids: string;
  from: string; every: string; slide: string; way: "aggregates" | "sql"; by: string; aggregates: Aggregate[]; sql: string; objects: string;
}

const text = (value: unknown): string => (value === undefined || value === null ? "" : String(value));
const orEmpty = (value: unknown): string => (value ? String(value) : "");
const json = (value: unknown): string => (value && Object.keys(value).length > 0 ? JSON.stringify(value, null, 1) : "");

export function blank(kind: Kind, from = ""): Draft {
  return draftOf("", {source: {kind, from}, format: "json", delay: "0s", skew: "1m", idle: "0s", retention: {age: "7d", bytes: 0, messages: 0},
    limits: {message_bytes: 0, messages_per_s: 0}, paused: false, description: ""});
}

export function draftOf(name: string, definition: StreamDefinition): Draft {
  const {source, time, retention, limits} = definition;
  const declare = source["declare"] as {type?: string; durable?: boolean; arguments?: unknown} | undefined;
  const tls = source["tls"] as {ca?: string; verify?: boolean} | undefined;
  const bind = (source["bind"] as {exchange: string; routing_key?: string; headers?: unknown}[] | undefined) ?? [];
  const aggregates = Object.entries((source["aggregates"] as Record<string, string> | undefined) ?? {}).map(([name, is]) => ({name, is}));
  return {
    kind: source.kind as Kind, name, description: definition.description, format: definition.format,
    timeField: text(time?.field), timeFormat: time?.format ?? "auto", timeMissing: time?.missing ?? "refuse", key: text(definition.key),
    delay: definition.delay, skew: definition.skew, idle: definition.idle, age: retention.age,
      bytes: orEmpty(retention.bytes), messages: orEmpty(retention.messages),
    messageBytes: orEmpty(limits.message_bytes), perSecond: orEmpty(limits.messages_per_s), paused: definition.paused,
    url: text(source["url"]), user: text(source["user"]), secret: text(source["secret"]), queue: text(source["queue"]),
    declares: declare !== undefined, queueType: declare?.type ?? "classic", durable: declare?.durable ?? true, queueArguments: json(declare?.arguments),
    bind: bind.map((one) => ({exchange: one.exchange, key: text(one.routing_key), headers: json(one.headers)})),
    prefetch: text(source["prefetch"]), heartbeat: text(source["heartbeat_s"]), ca: text(tls?.ca),
      verify: tls?.verify ?? true, ids: text(source["ids"]) || "unique",
    from: text(source["from"]), every: text(source["every"]) || "10s", slide: text(source["slide"]), way: source["sql"] ? "sql" : "aggregates",
    by: ((source["by"] as string[] | undefined) ?? []).join(", "), aggregates: aggregates.length > 0 ? aggregates : [{name: "n", is: "count()"}],
    sql: text(source["sql"]), objects: ((source["objects"] as string[] | undefined) ?? []).join(", "),
  };
}

/** What was typed is no JSON object; `field` says where. */
export class Mistyped extends Error {
  constructor(readonly field: string, detail: string) {
    super(detail);
  }
}

function object(field: string, typed: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(typed);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new Mistyped(field, 'must be a JSON object such as {"x-max-length": 1000}');
}

function number(field: string, typed: string): number {
  if (!typed.trim()) return 0;
  if (!/^\d+$/.test(typed.trim())) throw new Mistyped(field, `must be a whole number, was "${typed}"`);
  return Number(typed);
}

const words = (typed: string): string[] => typed.split(",").map((word) => word.trim()).filter(Boolean);

export function sourceOf(draft: Draft): Record<string, unknown> {
  if (draft.kind === "amqp") return amqp(draft);
  if (draft.kind === "derived") return derived(draft);
  return {kind: "push"};
}

function amqp(draft: Draft): Record<string, unknown> {
  return {
    kind: "amqp", url: draft.url.trim(), queue: draft.queue,
    ...(draft.user && {user: draft.user}), ...(draft.secret && {secret: draft.secret}),
    ...(draft.declares && {declare: {type: draft.queueType, durable: draft.durable,
      ...(draft.queueArguments.trim() && {arguments: object("declare.arguments", draft.queueArguments)})}}),
    ...(draft.bind.length > 0 && {bind: draft.bind.map((one, at) => ({exchange: one.exchange,
      ...(one.headers.trim() ? {headers: object(`bind.${at}.headers`, one.headers)} : {routing_key: one.key})}))}),
    ...(draft.prefetch && {prefetch: number("prefetch", draft.prefetch)}), ...(draft.heartbeat && {heartbeat_s: number("heartbeat_s", draft.heartbeat)}),
    ...(draft.url.startsWith("amqps:") && (draft.ca || !draft.verify) && {tls: {...(draft.ca && {ca: draft.ca}), verify: draft.verify}}),
    ...(draft.ids !== "unique" && {ids: draft.ids}),
  };
}

function derived(draft: Draft): Record<string, unknown> {
  const common = {kind: "derived", from: draft.from, every: draft.every.trim(), ...(draft.slide.trim() && {slide: draft.slide.trim()})};
  if (draft.way === "sql") return {...common, sql: draft.sql, ...(words(draft.objects).length > 0 && {objects: words(draft.objects)})};
  const aggregates = Object.fromEntries(draft.aggregates.filter((one) => one.is.trim()).map((one) => [one.name.trim() || one.is.trim(), one.is.trim()]));
  return {...common, by: words(draft.by), aggregates};
}

export function definitionOf(draft: Draft): Record<string, unknown> {
  return {
    source: sourceOf(draft), paused: draft.paused, description: draft.description, delay: draft.delay, idle: draft.idle,
    retention: {age: draft.age || "0s", bytes: number("retention.bytes", draft.bytes), messages: number("retention.messages", draft.messages)},
    ...(draft.kind !== "derived" && {
      format: draft.format, skew: draft.skew, ...(draft.key.trim() && {key: draft.key.trim()}),
      ...(draft.timeField.trim() && {time: {field: draft.timeField.trim(), format: draft.timeFormat, missing: draft.timeMissing}}),
      limits: {message_bytes: number("limits.message_bytes", draft.messageBytes), messages_per_s: number("limits.messages_per_s", draft.perSecond)},
    }),
  };
}
