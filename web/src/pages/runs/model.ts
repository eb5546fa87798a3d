/** A run as the server tells it, and how it is told to people. */
import {seconds} from "../../text";

export interface Figure {
  name: string;
  type: string;
  cell: string;
  bytes: number;
  href: string;
}

/** A window of a stream, as far as it is told of. */
export interface WindowOf {
  stream: string;
  consumer: string;
  iteration: number;
  start: string;
  end: string;
  from: number;
  to: number;
  messages: number;
}

export interface Iteration extends WindowOf {
  decisions: number;
  took_ms: number;
  at: string;
}

export interface Followed {
  stream: string;
  consumer: string;
  from: number;
  to: number;
  windows: number;
  decisions: number;
}

export interface Run {
  id: string;
  state: string;
  reason: string;
  notebook: {name: string; version: number; sha256: string};
  recipe: {name: string; version: string} | null;
  object: string | null;
  label: string | null;
  user: string;
  replay_of: string | null;
  parameters: Record<string, unknown>;
  limits: Record<string, number | null>;
  network: boolean;
  retries: number;
  attempt: number;
  follow: boolean;
  restarts: number;
  last_error: string | null;
  last_error_at: string | null;
  last_error_window: WindowOf | null;
  followed: Followed[];
  pace: {iterations_per_m: number; window: WindowOf | null; iterations?: Iteration[]} | null;
  progress: {cells_total: number; cells_done: number; fraction: number; text: string | null};
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
  duration_s: number | null;
  result: unknown;
  figures: Figure[];
  error: {ename: string; evalue: string; traceback: string[]; cell?: string} | null;
  cost: {cpu_s?: number; memory_peak_bytes?: number; waited_s?: number} | null;
}

export interface Lineage {
  run: string;
  notebook: {name: string; version: number; sha256: string};
  recipe: {name: string; version: string} | null;
  parameters: Record<string, unknown>;
  environment: {name: string; lock_sha256: string; python: string} | null;
  server_version: string | null;
  reads: {object: string; version: number; sha256: string}[];
  writes: {object: string; version: number; sha256: string}[];
  fetches: {url: string; sha256: string}[];
  streams: {stream: string; from: number; to: number}[];
  followed: Followed[];
  user: string;
  replay_of: string | null;
}

export const STATES = ["queued", "starting", "running", "succeeded", "failed", "cancelled", "timed_out", "out_of_memory", "interrupted"];
const UNDER_WAY = ["queued", "starting", "running"];

export const isUnderWay = (run: {state: string}): boolean => UNDER_WAY.includes(run.state);

/** What a person calls it. */
export function titleOf(run: Run): string {
  return run.label ?? run.notebook.name.replace(/\.ipynb$/, "");
}

export function took(run: Run): string | null {
  if (run.duration_s !== null) return seconds(run.duration_s);
  return run.started_at ? seconds((Date.now() - new Date(run.started_at).getTime()) / 1000) : null;
}

/** Where the notebook that was run can be read, before it has been executed. */
export function sourceOf(run: Run): string {
  if (run.recipe) return `/v1/recipes/${encodeURIComponent(run.recipe.name)}?format=ipynb`;
  const name = run.notebook.name.split("/").map(encodeURIComponent).join("/");
  return `/v1/notebooks/${name}?version=${run.notebook.version}`;
}

/** A value of a parameter or a result on one line. */
export function short(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}

/** The first figure that a browser draws well when it is small. */
export function thumbnail(run: Run): Figure | null {
  return run.figures.find((figure) => figure.type === "image/png") ?? run.figures[0] ?? null;
}
