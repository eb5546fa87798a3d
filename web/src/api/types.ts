/** What the REST API gives, as far as the page shows it (docs/reference says all). */

export interface ObjectInfo {
  name: string; version: number; latest: boolean; etag: string; size: number; sha256: string; type: string;
  tags: string[]; metadata: Record<string, unknown>; created_at: string; created_by: string; run: string | null;
}

export type Value = string | number | boolean | null;

export interface Column {
  name: string; type: string; count: number; nulls: number; min: Value; max: Value; mean: number | null;
  distinct: number; distinct_exact: boolean; top: {value: Value; count: number}[];
}

export interface Preview {
  name: string; version: number; kind: string; encoding?: string; delimiter?: string; rows: number; ragged_rows?: number;
  columns: Column[]; sample: Value[][]; complete: boolean; warnings: string[];
}

export interface Parameter { name: string; type: string; optional: boolean; default: unknown; help: string }

export interface Recipe {
  name: string; title: string; summary: string; version: string; author: string; parameters: Parameter[]; shipped: boolean; fits?: boolean;
}

export type RunState = "queued" | "starting" | "running" | "succeeded" | "failed" | "cancelled" | "timed_out" | "interrupted";

export interface Figure { name: string; type: string; cell: string; bytes: number; href: string }

export interface Run {
  id: string; state: RunState; reason: string; notebook: {name: string; version: number; sha256: string};
  recipe: {name: string; version: string} | null; object: string | null; label: string | null; user: string; replay_of: string | null;
  parameters: Record<string, unknown>; limits: Record<string, number>; network: boolean; attempt: number; follow: boolean; restarts: number;
  last_error: string | null; progress: {cells_total: number; cells_done: number; fraction: number; text: string};
  created_at: string; started_at: string | null; ended_at: string | null; duration_s: number | null;
  result: unknown; figures: Figure[]; error: {ename: string; evalue: string; traceback: string[]; cell: string} | null;
  cost: {cpu_s: number; memory_peak_bytes: number; waited_s: number} | null;
}

export const isOver = (run: Run): boolean => !["queued", "starting", "running"].includes(run.state);

export interface SchemaField { name: string; kind: string; since: number }

/** The state of what brings a stream's messages, in its own words. */
export interface StreamSource {
  state: string; message?: string | null; hint?: string | null; step?: string | null; since?: string; next_try_at?: string | null;
  server?: {product: string; version: string}; queue?: {messages: number; consumers: number};
}

export interface StreamDefinition {
  source: {kind: string; [more: string]: unknown}; format: string; delay: string; skew: string; idle: string; paused: boolean; description: string;
  retention: {age: string; bytes: number; messages: number}; limits: {message_bytes: number; messages_per_s: number};
  time?: {field: string; format?: string; missing?: string}; key?: string;
}

export interface StreamInfo {
  name: string; definition: StreamDefinition; version: number; created_at: string; created_by: string; offsets: {first: number; next: number};
  time: {low: string | null; high: string | null}; messages: number; dead_letters: number;
  stored: {head_bytes: number; sealed_bytes: number}; schema: {version: number; fields: SchemaField[]};
  rates: {messages_per_s: number; bytes_per_s: number}; source: StreamSource; state: string;
}

export interface Message {
  offset: number; time: string; arrival: string; key: string | null; id: string | null; headers: Record<string, unknown> | null; body: unknown;
}

export interface Consumer {
  name: string; every: string; slide: string | null; from: string; position: {offset: number; window_start: string | null};
  lag: {messages: number; seconds: number | null}; iterations: number; late: number; claimed_at: string | null; claimed_by: string | null;
}
