/** One cell as this tab has it: signals for what is shown, and what the server knows of it. */
import {batch, signal, type Signal} from "@preact/signals";
import type {Output} from "../../outputs";
import {Recorded} from "./recorded";
import {joined, type CellType, type Metadata, type NbCell, type Progress} from "./types";

/** Another text of the same cell: what somebody else made of it (null: they deleted it). */
export interface Theirs {
  source: string | null;
  revision: number;
}

const IDLE: Progress = {state: "idle", status: null, started_at: null, ended_at: null};

export class Cell {
  readonly id: string;
  readonly type: Signal<CellType>;
  readonly source: Signal<string>;
  readonly metadata: Signal<Metadata>;
  readonly outputs: Signal<Output[]>;
  readonly count: Signal<number | null>;
  readonly progress = signal<Progress>(IDLE);
  readonly theirs = signal<Theirs | null>(null);
  readonly attachments: NbCell["attachments"];
  readonly recorded: Recorded;
  /** The server's revision, and its text at that revision. */
  revision = 0;
  base: string;
  /** The text as it was last sent and not answered yet. */
  sent: string | null = null;

  constructor(from: NbCell) {
    this.id = from.id;
    this.base = joined(from.source);
    this.type = signal(from.cell_type);
    this.source = signal(this.base);
    this.metadata = signal(from.metadata ?? {});
    this.recorded = new Recorded(from.outputs ?? []);
    this.outputs = signal(this.recorded.list);
    this.count = signal(from.execution_count ?? null);
    this.attachments = from.attachments;
  }

  /** Typed here and not known to the server. */
  get isDirty(): boolean {
    return this.source.peek() !== this.base;
  }

  /** The server's text and revision, when nothing was typed here; else the two stand side by side, unless they are the same. */
  takeText(source: string, revision: number): void {
    if (this.theirs.peek()) {
      this.theirs.value = {source, revision};
    } else if (!this.isDirty || this.source.peek() === source) {
      this.source.value = source;
      this.base = source;
      this.revision = revision;
    } else if (source === this.base || source === this.sent) {
      this.base = source;
      this.revision = revision;
    } else {
      this.theirs.value = {source, revision};
    }
  }

  /** What the server says of the cell, all of it. */
  take(from: NbCell, state: (Progress & {revision: number}) | undefined): void {
    batch(() => {
      this.type.value = from.cell_type;
      this.metadata.value = from.metadata ?? {};
      this.count.value = from.execution_count ?? null;
      this.recorded.list = from.outputs ?? [];
      this.recorded.displays.clear();
      this.outputs.value = this.recorded.list;
      if (state) this.progress.value = {state: state.state, status: state.status, started_at: state.started_at, ended_at: state.ended_at};
      this.takeText(joined(from.source), state?.revision ?? this.revision);
    });
  }

  /** As nbformat has it. */
  asNb(withOutputs = true): NbCell {
    const isCode = this.type.peek() === "code";
    return {
      id: this.id, cell_type: this.type.peek(), source: this.source.peek(), metadata: this.metadata.peek(),
      ...(isCode ? {outputs: withOutputs ? this.recorded.list : [], execution_count: withOutputs ? this.count.peek() : null} : {}),
      ...(this.attachments && !isCode ? {attachments: this.attachments} : {}),
    };
  }
}
