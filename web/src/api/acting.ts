/** What the REST API gives of watches, decisions, models, actions and triggers, as far as the page shows it. */

export type Json = null | boolean | number | string | Json[] | {[name: string]: Json};
export type Fields = Record<string, Json | undefined>;

export const LEVELS = ["info", "warning", "critical"] as const;
export type Level = (typeof LEVELS)[number];
export interface Bound {
  enter: number;
  leave?: number;
  below?: boolean;
}
export type Levels = {on?: "score" | "value"} & {[level in Level]?: Bound | null};

export interface WatchAction {
  action: string;
  on?: string[];
  at?: Level;
  parameters?: Fields;
}

export interface WatchDefinition {
  stream: string;
  every: string;
  slide?: string | null;
  by?: string[];
  values: string[];
  detector: {kind: string; parameters?: Fields; model?: string | null};
  levels: Levels;
  actions?: WatchAction[];
  enabled?: boolean;
  dry_run?: boolean;
  description?: string;
  [more: string]: unknown;
}

export interface WatchInfo {
  name: string;
  definition: WatchDefinition;
  etag: string;
  code: string | null;
  state: string;
  error: string | null;
  position: {window_start: string | null};
  lag: {seconds: number | null};
  keys: number;
  /** Keys that came when there were too many already. */
  unwatched: number;
  firing: number;
  worst: Level | "ok" | null;
  model: {name: string; version: number} | null;
  created_at: string;
  created_by: string;
}

export interface WatchKey {
  key: string | null;
  state: string;
  level: string;
  score: number | null;
  value: number | null;
  expected: number | null;
  low: number | null;
  high: number | null;
  episode: number;
  opened_at: string | null;
  last_at: string | null;
  is_flapping: boolean;
}

type Numbers = (number | null)[];
export interface Scores {
  key: string | null;
  times: number[];
  values: Numbers;
  scores: Numbers;
  expected: Numbers;
  low: Numbers;
  high: Numbers;
  levels: (string | number)[];
}

export interface WindowInfo {
  start: string;
  end: string;
  revision?: number;
  offsets?: {from: number; to: number};
  from?: number;
  to?: number;
  messages: number;
}

export interface Decision {
  id: string;
  action: string;
  parameters: Json;
  reason: string;
  state: string;
  stream: string;
  consumer: string;
  decided_at: string;
  window: WindowInfo | null;
  run: string | null;
  user: string;
  attempts: number;
  last_error: string | null;
  settled_at: string | null;
  idempotency_key: string;
  watch: string | null;
  key: string | null;
  event: string | null;
  level: string | null;
  trigger: string | null;
  code: string | null;
  target: Fields | null;
  grounds: Fields | null;
  models: {name: string; version: number}[] | null;
  iteration?: number;
  epoch?: number;
  waiting?: {due_at: string; deferred: boolean} | null;
  guards?: GuardResult[];
  log?: Attempt[];
  test?: boolean;
}
export interface GuardResult {
  guard: string;
  passed: boolean;
  detail?: string | null;
}
export interface Attempt {
  at: string;
  attempt: number;
  outcome: string;
  status: number | null;
  took_ms: number;
  detail: string | null;
}

/** A decision as a back-test makes it: not stored. */
export type WouldBe = Pick<Decision, "id" | "key" | "event" | "level" | "action" | "window"> & Partial<Decision>;

export interface Backtest {
  windows: number;
  messages: number;
  keys: number;
  decisions: WouldBe[];
  truncated: boolean;
  scores?: Scores;
  compared?: {live: number; same: number; differ: unknown[]} | null;
}

export interface DetectorParameter {
  name: string;
  type: string;
  default: Json;
  help: string;
}
export interface DetectorKind {
  name: string;
  version: number;
  summary: string;
  source: string;
  cost: string;
  is_multivariate: boolean;
  parameters: DetectorParameter[];
}

export type Source = string | {object?: string; stream?: string; version?: number; from?: Json; to?: Json};
export interface ModelVersion {
  version: number;
  stage: string;
  why: string;
  kind: string;
  format: string;
  metrics: Record<string, number>;
  sources: Source[];
  bytes: number;
  sha256: string;
  created_at: string;
  created_by: string;
  run: string | null;
  code: string | null;
  decisions: number;
  iteration: {stream: string; consumer: string; window?: WindowInfo | null} | null;
}
/** As the list gives it. */
export interface ModelSummary {
  name: string;
  object: string;
  kind: string;
  live: number | null;
  candidate: number | null;
  versions_total: number;
  changed_at: string;
  changed_by: string;
  promotion: {metric: string; better: string; at_least?: number} | null;
  drift: {version: number; stream: string; watch: string; score: number; at: string} | null;
}
export interface ModelInfo extends ModelSummary {
  versions: ModelVersion[];
  history: {live: number | null; before: number | null; at: string; user: string; why: string}[];
}

export interface ActionInfo {
  name: string;
  kind: string;
  enabled?: boolean;
  dry_run?: boolean;
  [more: string]: unknown;
}
export interface TriggerInfo {
  name: string;
  when: {kind: string; [more: string]: unknown};
  then: {run?: {notebook?: string; recipe?: string; [more: string]: unknown}; action?: string; parameters?: Fields};
  enabled?: boolean;
  state: string;
  error: string | null;
  next_at: string | null;
  last_fired: string | null;
  fired: number;
  queued: number;
  skipped: number;
  dropped: number;
  missed: number;
  under_way: {decision: string | null; run: string | null} | null;
  [more: string]: unknown;
}
export interface Firing {
  at: string;
  state: string;
  decision: string | null;
  delivery: string | null;
  run: string | null;
  reason: string | null;
  event: Json;
  parameters: Json;
}

export interface Silence {
  id: string;
  matchers: Record<string, string>;
  from: string;
  until: string;
  reason: string;
  author: string;
  created_at: string;
  ended: boolean;
  every: {days?: string[]; from: string; to: string; zone?: string} | null;
}
export interface Switch {
  actions: "running" | "stopped";
  reason: string;
  changed_at: string | null;
  changed_by: string | null;
}
