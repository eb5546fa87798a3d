/** The cells of a run with what they have put out so far: read once, then followed event by event; nothing is read twice. */
import {signal, type Signal} from "@preact/signals";
import {api, Problem, send} from "../../api/client";
import {follow} from "../../api/sse";
import type {DataOutput, Output} from "../../outputs";

export interface Cell {
  id: string;
  status: string;
  count: number | null;
  startedAt: string | null;
  endedAt: string | null;
  outputs: Output[];
  /** The next output takes the place of all there are. */
  isClearing?: boolean;
}

export interface SourceCell {
  id: string;
  cell_type: string;
  source: string | string[];
  metadata: Record<string, unknown>;
}

interface Told {
  cells: {id: string; status: string; execution_count: number | null; started_at: string | null; ended_at: string | null; outputs: Output[]}[];
  event?: string;
}
interface Message {
  cell: string;
  type: string;
  content: Record<string, unknown> | null;
  too_large?: number;
}
interface Papermill {
  status?: string;
  start_time?: string;
  end_time?: string;
}
interface Executed {
  cells: (SourceCell & {outputs?: Output[]; execution_count?: number | null; metadata: {papermill?: Papermill}})[];
}

/** What comes within this time is shown together. */
const TOGETHER_MS = 30;
const STATUS: Record<string, string> = {completed: "ok", failed: "error"};

/** Cells with outputs that grow by Jupyter's messages. */
export class OutputList {
  private byId = new Map<string, Cell>();
  private displays = new Map<string, DataOutput[]>();
  private changed = new Set<string>();

  take(cells: Cell[]): void {
    this.byId.clear();
    this.displays.clear();
    for (const cell of cells) {
      this.byId.set(cell.id, cell);
      for (const output of cell.outputs) this.remember(output);
    }
  }

  /** As they are now, for a signal. What changed has a new list of outputs, by which components see it. */
  cells(): Cell[] {
    for (const id of this.changed) {
      const cell = this.byId.get(id);
      if (cell) cell.outputs = [...cell.outputs];
    }
    this.changed.clear();
    return [...this.byId.values()];
  }

  change(id: string, change: Partial<Cell>): void {
    Object.assign(this.cellOf(id), change);
  }

  message(id: string, type: string, content: Record<string, unknown>): void {
    const cell = this.cellOf(id);
    this.changed.add(id);
    if (type === "clear_output") {
      if (content["wait"]) cell.isClearing = true;
      else cell.outputs = [];
    } else if (type === "update_display_data") {
      this.update(content);
    } else {
      const output = made(type, content);
      if (output) add(cell, output);
      if (output) this.remember(output);
    }
  }

  private cellOf(id: string): Cell {
    let cell = this.byId.get(id);
    if (!cell) this.byId.set(id, cell = {id, status: "running", count: null, startedAt: null, endedAt: null, outputs: []});
    return cell;
  }

  private remember(output: Output): void {
    const id = (output as {transient?: {display_id?: string}}).transient?.display_id;
    if (id && "data" in output) this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
  }

  private update(content: Record<string, unknown>): void {
    const id = (content["transient"] as {display_id?: string} | undefined)?.display_id ?? "";
    const shown = this.displays.get(id) ?? [];
    for (const cell of this.byId.values()) if (cell.outputs.some((output) => shown.includes(output as DataOutput))) this.changed.add(cell.id);
    for (const output of shown) {
      output.data = (content["data"] ?? {}) as DataOutput["data"];
      output.metadata = (content["metadata"] ?? {}) as DataOutput["metadata"];
    }
  }
}

export class RunOutputs {
  readonly cells: Signal<Cell[]> = signal<Cell[]>([]);
  readonly sources: Signal<SourceCell[] | null> = signal<SourceCell[] | null>(null);
  readonly problem: Signal<Problem | null> = signal<Problem | null>(null);
  readonly isLoaded: Signal<boolean> = signal(false);
  /** Counts what has arrived: whoever shows pictures redraws by it. */
  readonly news: Signal<number> = signal(0);
  private list = new OutputList();
  private attempt = 0;
  private stopEvents: (() => void) | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isClosed = false;

  constructor(private id: string, private onChange: () => void = () => undefined) {}

  /** Reads what there is; follows when the run is under way. */
  open(isOver: boolean): void {
    void (isOver ? this.readExecuted() : this.readSoFar()).catch((error: unknown) => {
      if (!this.isClosed) this.problem.value = error instanceof Problem ? error : null;
      this.isLoaded.value = true;
    });
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.stopEvents?.();
  }

  private async readExecuted(): Promise<void> {
    let notebook: Executed;
    try {
      notebook = (await (await send(`/v1/runs/${this.id}/notebook`)).json()) as Executed;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) { // it ended before it began
        this.isLoaded.value = true;
        return;
      }
      throw error;
    }
    if (this.isClosed) return;
    this.sources.value = notebook.cells;
    this.take(notebook.cells.filter((cell) => cell.cell_type === "code").map((cell) => {
      const papermill = cell.metadata.papermill ?? {};
      const status = papermill.status ?? "pending";
      return {id: cell.id, status: STATUS[status] ?? status, execution_count: cell.execution_count ?? null,
        started_at: papermill.start_time ?? null, ended_at: papermill.end_time ?? null, outputs: cell.outputs ?? []};
    }));
  }

  private async readSoFar(): Promise<void> {
    const told = await api<Told>(`/v1/runs/${this.id}/outputs`);
    if (this.isClosed) return;
    this.take(told.cells);
    this.attempt = Number(told.event?.split("-")[0] ?? 0);
    this.stopEvents = follow(`/v1/runs/${this.id}/events`, ({event, data}) => this.hear(event, data), undefined, told.event ?? null);
  }

  private take(cells: Told["cells"]): void {
    this.list.take(cells.map((cell) => ({id: cell.id, status: cell.status, count: cell.execution_count, startedAt: cell.started_at,
      endedAt: cell.ended_at, outputs: cell.outputs})));
    this.show();
    this.isLoaded.value = true;
  }

  private show(): void {
    this.timer = undefined;
    this.cells.value = this.list.cells();
    this.news.value++;
  }

  private hear(event: string, text: string): void {
    const data = JSON.parse(text || "{}") as Record<string, unknown>;
    if (event === "finished") {
      this.stopEvents?.();
      this.onChange();
      this.open(true);
      return;
    }
    if (event === "state") this.heardState(data);
    else if (event === "output") this.output(data as unknown as Message);
    else if (event === "cell_start") this.cell(data, {status: "running", startedAt: data["started_at"] as string, endedAt: null, outputs: []});
    else if (event === "cell_end") {
      this.cell(data, {status: String(data["status"]), endedAt: data["ended_at"] as string, count: (data["execution_count"] as number) || null});
    }
    if (event !== "output") this.onChange();
    this.timer ??= setTimeout(() => this.show(), TOGETHER_MS);
  }

  /** A new attempt begins from its first cell. */
  private heardState(data: Record<string, unknown>): void {
    const attempt = Number(data["attempt"]);
    if (attempt > this.attempt && this.attempt > 0) {
      this.list.take([]);
    }
    this.attempt = attempt;
  }

  private cell(data: Record<string, unknown>, change: Partial<Cell>): void {
    this.list.change(String(data["cell"]), change);
  }

  private output(message: Message): void {
    const size = Math.round((message.too_large ?? 0) / 1_048_576);
    if (message.content) this.list.message(message.cell, message.type, message.content);
    else this.list.message(message.cell, "stream", {name: "stdout", text: `(${size} MiB of output; it is shown when the run has ended)\n`});
  }
}

export function made(type: string, content: Record<string, unknown>): Output | null {
  if (type === "stream") return {output_type: "stream", name: String(content["name"]), text: [String(content["text"])]};
  if (type === "error") {
    return {output_type: "error", ename: String(content["ename"]), evalue: String(content["evalue"]), traceback: (content["traceback"] ?? []) as string[]};
  }
  if (type !== "display_data" && type !== "execute_result") return null;
  return {output_type: type, data: (content["data"] ?? {}) as DataOutput["data"], metadata: (content["metadata"] ?? {}) as DataOutput["metadata"],
    execution_count: (content["execution_count"] as number) ?? null, transient: content["transient"]} as DataOutput;
}

function add(cell: Cell, output: Output): void {
  if (cell.isClearing) cell.outputs = [];
  cell.isClearing = false;
  const last = cell.outputs.at(-1);
  if (output.output_type === "stream" && last?.output_type === "stream" && last.name === output.name) {
    if (!Array.isArray(last.text)) last.text = [last.text];
    last.text.push(...(Array.isArray(output.text) ? output.text : [output.text]));
  } else {
    cell.outputs = [...cell.outputs, output];
  }
}
