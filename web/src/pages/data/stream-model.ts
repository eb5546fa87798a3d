/** Streams as the REST API tells them (docs/reference/streams.md), and what pages derive from that. */
import {inPath} from "../../api/client";

export interface SchemaField { name: string; kind: string; since: number }

export interface SourceState {
  state: string; message?: string; hint?: string; step?: string | null; since?: string; next_try_at?: string;
  server?: {product: string; version: string}; queue?: {messages: number; consumers: number};
  connections?: number; received?: number; committed?: number; repeated?: number; dead?: number; window_start?: string;
}

export interface Definition {
  source: Record<string, unknown> & {kind: string};
  format: string; time?: {field: string; format?: string; missing?: string} | null; key?: string | null;
  delay: string; skew: string; idle: string;
  retention: {age: string; bytes: number; messages: number}; limits: {message_bytes: number; messages_per_s: number};
  paused: boolean; description: string;
}

export interface StreamInfo {
  name: string; definition: Definition; version: number; created_at: string; created_by: string;
  offsets: {first: number; next: number}; time: {low: string | null; high: string | null}; messages: number; dead_letters: number;
  stored: {head_bytes: number; sealed_bytes: number}; schema: {version: number; fields: SchemaField[]};
  rates: {messages_per_s: number; bytes_per_s: number}; source: SourceState; state: string;
}

export interface Consumer {
  name: string; every: string; slide: string | null; delay: string; position: {offset: number; window_start: string | null};
  lag: {messages: number; seconds: number}; late: number; iterations: number; claimed_at: string | null; claimed_by: string | null;
}

export interface Item {
  offset: number; time: string; arrival: string; key: string | null; id: string | null;
  headers: Record<string, unknown> | null; body: unknown; reason?: string;
}

export const streamPath = (name: string): string => `/v1/streams/${inPath(name)}`;
export const streamHref = (name: string): string => `/data/streams/${inPath(name)}`;
export const storedBytes = (one: StreamInfo): number => one.stored.head_bytes + one.stored.sealed_bytes;
export const isNumeric = (field: SchemaField): boolean => field.kind === "int" || field.kind === "float";

/** Where its messages come from, in a few words. */
export function sourceWords(definition: Definition): string {
  const {source} = definition;
  if (source.kind === "amqp") return `RabbitMQ queue ${String(source["queue"])}`;
  if (source.kind === "derived") return `derived from ${String(source["from"])}`;
  return "pushed";
}

/** What the source says of itself beside its state. */
export function stateWords({source}: StreamInfo): string {
  return [source.step && `at ${source.step}`, source.message, source.hint].filter(Boolean).join(": ");
}

export function rate(value: number): string {
  return value === 0 ? "quiet" : `${value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1)}/s`;
}

/** A body as one line, cut. */
export function line(body: unknown, most = 300): string {
  const text = typeof body === "string" ? body : (JSON.stringify(body) ?? "");
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
