/** A notebook as it is at this moment, to be looked at: its live document, read again when cells were edited. */
import {signal, type Signal} from "@preact/signals";
import {api, inPath, Problem} from "../../api/client";
import {openSocket} from "../../api/socket";
import type {Output} from "../../outputs";
import {type Cell, OutputList, type SourceCell} from "../runs/live-outputs";

interface StoredCell extends SourceCell {
  outputs?: Output[];
  execution_count?: number | null;
}
interface CellState {
  state: string;
  status: string | null;
  started_at: string | null;
  ended_at: string | null;
}
interface Snapshot {
  type: "snapshot";
  epoch: string | number;
  seq: number;
  notebook: {cells: StoredCell[]};
  cells: Record<string, CellState>;
  saved_at?: string | null;
}
interface Delta {
  type: string;
  seq?: number;
  cell?: string;
  state?: string;
  status?: string | null;
  execution_count?: number | null;
  started_at?: string | null;
  ended_at?: string | null;
  message?: {type: string; content: Record<string, unknown>};
}

const AGAIN_MS = 400;
const TOGETHER_MS = 30;

export class LiveNotebook {
  readonly cells: Signal<Cell[]> = signal<Cell[]>([]);
  readonly sources: Signal<SourceCell[] | null> = signal<SourceCell[] | null>(null);
  readonly problem: Signal<Problem | null> = signal<Problem | null>(null);
  readonly changedAt: Signal<number> = signal(0);
  private list = new OutputList();
  private stop: (() => void) | null = null;
  private again: ReturnType<typeof setTimeout> | undefined;
  private shown: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;

  constructor(private name: string) {}

  open(): void {
    const path = `/v1/notebooks/${inPath(this.name)}/live`;
    api<Snapshot>(path).then((snapshot) => {
      if (this.isClosed) return;
      this.take(snapshot);
      this.stop = openSocket(() => path, (text) => this.hear(JSON.parse(text) as Delta | Snapshot));
    }, (error: unknown) => this.fail(error));
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.again);
    clearTimeout(this.shown);
    this.stop?.();
  }

  private fail(error: unknown): void {
    if (error instanceof Problem && !this.isClosed) this.problem.value = error;
  }

  private take(snapshot: Snapshot): void {
    const state = (id: string): CellState => snapshot.cells[id] ?? {state: "idle", status: null, started_at: null, ended_at: null};
    this.sources.value = snapshot.notebook.cells;
    this.list.take(snapshot.notebook.cells.filter((cell) => cell.cell_type === "code").map((cell) => {
      const now = state(cell.id);
      return {id: cell.id, status: now.state === "running" ? "running" : now.status ?? "pending", count: cell.execution_count ?? null,
        startedAt: now.started_at, endedAt: now.ended_at, outputs: cell.outputs ?? []};
    }));
    this.show();
  }

  private show(): void {
    this.shown = undefined;
    this.problem.value = null;
    this.cells.value = this.list.cells();
    this.changedAt.value = Date.now();
  }

  private hear(message: Delta | Snapshot): void {
    if (message.type === "snapshot") {
      this.take(message as Snapshot);
      return;
    }
    const delta = message as Delta;
    if (delta.type === "edit") {
      this.again ??= setTimeout(() => this.readAgain(), AGAIN_MS);
      return;
    }
    if (delta.type === "cell" && delta.cell) this.cell(delta);
    else if (delta.type === "output" && delta.cell && delta.message) this.list.message(delta.cell, delta.message.type, delta.message.content);
    else return;
    this.shown ??= setTimeout(() => this.show(), TOGETHER_MS);
  }

  private cell(delta: Delta): void {
    const isRunning = delta.state === "running";
    this.list.change(delta.cell ?? "", {status: isRunning ? "running" : delta.status ?? "pending", count: delta.execution_count ?? null,
      startedAt: delta.started_at ?? null, endedAt: delta.ended_at ?? null});
  }

  /** Cells came, went or moved: all of it as it is now, and the messages from there. */
  private readAgain(): void {
    this.again = undefined;
    this.stop?.();
    this.open();
  }
}
