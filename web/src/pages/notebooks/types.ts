/** A live notebook as the server tells it (docs/reference: live notebooks), and the edits it takes. */
import type {Output} from "../../outputs";

export type CellType = "code" | "markdown" | "raw";
export type Metadata = Record<string, unknown>;

/** A cell of nbformat 4.5. */
export interface NbCell {
  id: string;
  cell_type: CellType;
  source: string | string[];
  metadata: Metadata;
  outputs?: Output[];
  execution_count?: number | null;
  attachments?: Record<string, Record<string, string>>;
}

export interface Kernel {
  state: "none" | "starting" | "idle" | "busy" | "restarting" | "dead";
  detail: string | null;
  memory_bytes: number | null;
  memory_limit_bytes: number | null;
  started_at: string | null;
  queue: number;
}

export type CellState = "idle" | "queued" | "running";
export type CellStatus = "ok" | "error" | "aborted" | null;

/** How a cell stands in the kernel. */
export interface Progress {
  state: CellState;
  status: CellStatus;
  started_at: string | null;
  ended_at: string | null;
}

export interface Asked { cell: string; prompt: string; password: boolean }

export type Edit =
  | {op: "source"; cell: string; source: string; revision: number}
  | {op: "insert"; cell: NbCell; after: string | null}
  | {op: "delete"; cell: string; revision: number}
  | {op: "move"; cell: string; after: string | null}
  | {op: "type"; cell: string; cell_type: CellType}
  | {op: "metadata"; cell: string | null; metadata: Metadata}
  | {op: "clear"; cell: string | null};

export interface Snapshot {
  type: "snapshot";
  epoch: string | number;
  seq: number;
  revision: number;
  name: string;
  version: number | null;
  saved_at: string | null;
  dirty: boolean;
  notebook: {metadata: Metadata; cells: NbCell[]};
  cells: Record<string, Progress & {revision: number}>;
  kernel: Kernel;
  input: Asked | null;
  viewers: number;
}

export interface OutputMessage { type: string; content: Record<string, unknown> }

export type Delta = {seq: number} & (
  | {type: "edit"; revision: number; client: string; edits: (Edit & {revision?: number})[]}
  | ({type: "cell"; cell: string; execution_count: number | null} & Progress)
  | {type: "output"; cell: string; message: OutputMessage}
  | {type: "outputs"; cell: string; outputs: Output[]}
  | {type: "kernel"; kernel: Kernel}
  | {type: "input"; input: Asked | null}
  | {type: "saved"; version: number; at: string}
  | {type: "viewers"; viewers: number}
  | {type: "deleted"});

export interface Answer {
  revision: number;
  cells: Record<string, number>;
  conflicts: {cell: string; revision: number | null; source: string | null; reason: string}[];
}

/** An entry of GET /v1/live. */
export interface Open { name: string; viewers: number; kernel: Kernel; dirty: boolean }

export const joined = (lines: string | string[] | undefined): string => (Array.isArray(lines) ? lines.join("") : lines ?? "");

export function tagsOf(metadata: Metadata): string[] {
  return Array.isArray(metadata["tags"]) ? (metadata["tags"] as string[]) : [];
}

/** Eight random letters and figures, as nbformat's own ids are. */
export function newId(): string {
  const letters = "0123456789abcdef";
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => letters[byte & 15]).join("");
}
