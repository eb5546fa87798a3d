/**
 * The live document: the server's, as this tab sees it. What is done here shows at once, is queued, and sent with the revisions it
 * was made on; what others do comes by the socket. Nothing typed is ever dropped: when two people changed one cell, both texts
 * stay side by side until somebody chose.
 */
import {batch, computed, signal} from "@preact/signals";
import {api, inPath, patch, post, Problem} from "../../api/client";
import {openSocket} from "../../api/socket";
import type {Output} from "../../outputs";
import {announce} from "../../ui";
import {Cell} from "./cell-model";
import {Drafts, type Draft} from "./drafts";
import {newId, type Answer, type Asked, type CellType, type Delta, type Edit, type Kernel, type Metadata, type NbCell, type Snapshot} from "./types";

const NO_KERNEL: Kernel = {state: "none", detail: null, memory_bytes: null, memory_limit_bytes: null, started_at: null, queue: 0};
const QUIET_MS = 300;
const AGAIN_MS = 2000;

export type Sync = "synced" | "pending" | "sending" | "waiting";

export class NotebookDocument {
  readonly client = newId() + newId();
  readonly path: string;
  readonly cells = new Map<string, Cell>();
  readonly order = signal<string[]>([]);
  readonly metadata = signal<Metadata>({});
  readonly kernel = signal<Kernel>(NO_KERNEL);
  readonly asked = signal<Asked | null>(null);
  readonly viewers = signal(1);
  readonly version = signal<number | null>(null);
  readonly savedAt = signal<string | null>(null);
  /** Changed since the version was stored. */
  readonly isUnsaved = signal(false);
  readonly sync = signal<Sync>("synced");
  readonly isConnected = signal(false);
  readonly isLoaded = signal(false);
  readonly isDeleted = signal(false);
  readonly problem = signal<Problem | null>(null);
  /** Something small that did not work, in passing. */
  readonly notice = signal<string | null>(null);
  readonly conflicts = computed(() => this.order.value.filter((id) => this.cells.get(id)?.theirs.value));

  private queue: Edit[] = [];
  private typed = new Set<string>();
  private sending: Promise<void> | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private draftTimer: ReturnType<typeof setTimeout> | undefined;
  private stop: () => void = () => undefined;
  private epoch: string | number = "";
  private seq = 0;
  private changedOutputs = new Set<Cell>();
  private frame: number | ReturnType<typeof setTimeout> = 0;
  private readonly drafts: Drafts;
  private isClosed = false;

  constructor(readonly name: string) {
    this.path = `/v1/notebooks/${inPath(name)}/live`;
    this.drafts = new Drafts(name, this.client);
  }

  // ---- opening and closing -------------------------------------------------------------------------------------------------

  async open(): Promise<void> {
    try {
      this.takeSnapshot(await api<Snapshot>(this.path));
      this.problem.value = null;
    } catch (error) {
      if (error instanceof Problem && error.slug !== "offline") this.problem.value = error;
      else setTimeout(() => void (this.isClosed || this.open()), AGAIN_MS);
      return;
    }
    if (this.isClosed) return;
    this.stop = openSocket(() => `${this.path}?after=${this.seq}&epoch=${encodeURIComponent(String(this.epoch))}`,
      (text) => this.hear(JSON.parse(text) as Snapshot | Delta),
      (isOpen) => {
        this.isConnected.value = isOpen;
        if (isOpen && this.hasPending) this.soon(QUIET_MS);
      });
    for (const draft of await this.drafts.orphans()) this.adopt(draft);
  }

  close(): void {
    this.isClosed = true;
    this.stop();
    if (this.hasPending) this.sendLast();
    else this.keepDraft();
    this.drafts.close();
    clearTimeout(this.timer);
  }

  /** When the tab goes: with keepalive, as nobody waits for the answer. The draft stays until it is seen to be there. */
  sendLast(): void {
    if (!this.hasPending) return;
    this.keepDraft();
    const {edits} = this.batchOf(false);
    void api(this.path, {method: "PATCH", body: {client: this.client, edits}, isQuiet: true}).catch(() => undefined);
  }

  cell(id: string): Cell | undefined {
    return this.cells.get(id);
  }

  // ---- what the server says ------------------------------------------------------------------------------------------------

  private hear(message: Snapshot | Delta): void {
    if (message.type === "snapshot") {
      this.takeSnapshot(message);
      return;
    }
    this.seq = message.seq ?? this.seq;
    batch(() => this.takeDelta(message));
  }

  private takeSnapshot(from: Snapshot): void {
    batch(() => {
      this.epoch = from.epoch;
      this.seq = from.seq;
      const there = new Set(from.notebook.cells.map((cell) => cell.id));
      this.queue = this.queue.filter((edit) => !(edit.op === "insert" && there.has(edit.cell.id)));
      const unheard = new Map(this.queue.flatMap((edit) => (edit.op === "insert" ? [[edit.cell.id, edit]] as const : [])));
      const kept = [...this.cells.values()].filter((cell) => !there.has(cell.id) && (cell.isDirty || cell.theirs.peek() || unheard.has(cell.id)));
      const before = this.order.peek();
      const order = from.notebook.cells.map((cell) => cell.id);
      for (const one of from.notebook.cells) {
        const mine = this.cells.get(one.id);
        if (mine) mine.take(one, from.cells[one.id]);
        else this.put(one, from.cells[one.id]?.revision ?? 0).take(one, from.cells[one.id]);
      }
      for (const id of this.cells.keys()) if (!there.has(id) && !kept.some((cell) => cell.id === id)) this.cells.delete(id);
      for (const cell of kept) {
        if (!unheard.has(cell.id)) cell.theirs.value = {source: null, revision: 0};
        order.splice(order.indexOf(before[before.indexOf(cell.id) - 1] ?? "") + 1, 0, cell.id);
      }
      this.order.value = order;
      this.metadata.value = from.notebook.metadata;
      this.kernel.value = from.kernel;
      this.asked.value = from.input;
      this.viewers.value = from.viewers;
      this.version.value = from.version;
      this.savedAt.value = from.saved_at;
      this.isUnsaved.value = from.dirty;
      for (const edit of this.queue) if (edit.op !== "insert" && edit.op !== "source") this.apply(edit);
      this.isLoaded.value = true;
    });
    if (this.hasPending) this.soon(QUIET_MS);
  }

  private put(from: NbCell, revision: number): Cell {
    const cell = new Cell(from);
    cell.revision = revision;
    this.cells.set(cell.id, cell);
    return cell;
  }

  private takeDelta(message: Delta): void {
    if (message.type === "edit") {
      for (const edit of message.edits) this.takeEdit(edit, message.client === this.client);
      this.isUnsaved.value = true;
    } else if (message.type === "cell") this.takeProgress(message);
    else if (message.type === "output") this.takeOutput(message);
    else if (message.type === "outputs") this.takeOutputs(message.cell, message.outputs);
    else if (message.type === "kernel") this.kernel.value = message.kernel;
    else if (message.type === "input") this.asked.value = message.input;
    else if (message.type === "viewers") this.viewers.value = message.viewers;
    else if (message.type === "saved") {
      this.version.value = message.version;
      this.savedAt.value = message.at;
      this.isUnsaved.value = false;
    } else if (message.type === "deleted") this.isDeleted.value = true;
  }

  private takeProgress(message: Extract<Delta, {type: "cell"}>): void {
    const cell = this.cells.get(message.cell);
    if (!cell) return;
    const before = cell.progress.peek();
    if (message.state === "running" && (before.state !== "running" || before.started_at !== message.started_at)) {
      cell.recorded.clear();
      this.showOutputs(cell);
    }
    cell.progress.value = {state: message.state, status: message.status, started_at: message.started_at, ended_at: message.ended_at};
    cell.count.value = message.execution_count ?? null;
    this.isUnsaved.value = true;
  }

  private takeOutput({cell: id, message}: Extract<Delta, {type: "output"}>): void {
    if (message.type === "update_display_data") {
      for (const cell of this.cells.values()) if (cell.recorded.update(message.content)) this.showOutputs(cell);
      return;
    }
    const cell = this.cells.get(id);
    if (!cell) return;
    cell.recorded.add(message);
    this.showOutputs(cell);
  }

  /** All outputs of a cell anew: what one of them became is too large to be told in pieces. */
  private takeOutputs(id: string, outputs: Output[]): void {
    const cell = this.cells.get(id);
    if (!cell) return;
    cell.recorded.list = outputs;
    this.showOutputs(cell);
  }

  /** Outputs are drawn once a frame, however fast they come. */
  private showOutputs(cell: Cell): void {
    this.changedOutputs.add(cell);
    if (this.frame) return;
    const show = (): void => {
      this.frame = 0;
      batch(() => {
        for (const one of this.changedOutputs) one.outputs.value = [...one.recorded.list];
      });
      this.changedOutputs.clear();
    };
    this.frame = document.visibilityState === "visible" ? requestAnimationFrame(show) : setTimeout(show, 250);
  }

  private takeEdit(edit: Edit & {revision?: number}, isMine: boolean): void {
    if (isMine) {
      this.heardBack(edit);
      return;
    }
    if (edit.op === "source") this.cells.get(edit.cell)?.takeText(edit.source, edit.revision);
    else if (edit.op === "delete") {
      const cell = this.cells.get(edit.cell);
      if (cell?.isDirty) cell.theirs.value = {source: null, revision: 0};
      else this.apply(edit);
    } else {
      this.apply(edit);
      const cell = edit.op === "insert" ? this.cells.get(edit.cell.id) : "cell" in edit && edit.cell ? this.cells.get(edit.cell) : undefined;
      if (cell && edit.revision !== undefined && !cell.theirs.peek()) cell.revision = Math.max(cell.revision, edit.revision);
    }
  }

  /** Our own edit, as everybody hears of it. */
  private heardBack(edit: Edit & {revision?: number}): void {
    const cell = edit.op === "insert" ? this.cells.get(edit.cell.id) : "cell" in edit && edit.cell ? this.cells.get(edit.cell) : undefined;
    if (!cell || edit.revision === undefined || edit.revision <= cell.revision) return;
    cell.revision = edit.revision;
    if (edit.op === "source") cell.base = edit.source;
  }

  // ---- what is done here ---------------------------------------------------------------------------------------------------

  type(id: string, source: string): void {
    const cell = this.cells.get(id);
    if (!cell || cell.source.peek() === source) return;
    cell.source.value = source;
    this.typed.add(id);
    this.soon(QUIET_MS);
  }

  insert(cell: NbCell, after: string | null): void {
    this.edit({op: "insert", cell, after});
  }

  remove(id: string): void {
    const cell = this.cells.get(id);
    if (!cell) return;
    const at = this.queue.findIndex((edit) => edit.op === "insert" && edit.cell.id === id);
    if (at >= 0) this.queue.splice(at, 1); // the server has not heard of it yet
    else this.queue.push({op: "delete", cell: id, revision: cell.revision});
    this.typed.delete(id);
    this.apply({op: "delete", cell: id, revision: 0});
    this.soon(0);
  }

  move(id: string, after: string | null): void {
    this.edit({op: "move", cell: id, after});
  }

  retype(id: string, cell_type: CellType): void {
    if (this.cells.get(id)?.type.peek() !== cell_type) this.edit({op: "type", cell: id, cell_type});
  }

  setMetadata(id: string | null, metadata: Metadata): void {
    this.edit({op: "metadata", cell: id, metadata});
  }

  clear(id: string | null): void {
    this.edit({op: "clear", cell: id});
  }

  private edit(edit: Edit): void {
    this.queue.push(edit);
    batch(() => this.apply(edit));
    this.soon(0);
  }

  /** Makes the edit in what is shown. */
  private apply(edit: Edit): void {
    const order = this.order.peek();
    const placed = (list: string[], id: string, after: string | null): string[] => {
      const rest = list.filter((other) => other !== id);
      const at = after === null ? -1 : rest.indexOf(after);
      rest.splice(after !== null && at < 0 ? rest.length : at + 1, 0, id);
      return rest;
    };
    if (edit.op === "insert") {
      if (!this.cells.has(edit.cell.id)) this.put(edit.cell, 0);
      this.order.value = placed(order, edit.cell.id, edit.after);
    } else if (edit.op === "delete") {
      this.order.value = order.filter((id) => id !== edit.cell);
      this.cells.delete(edit.cell);
    } else if (edit.op === "move") {
      if (this.cells.has(edit.cell)) this.order.value = placed(order, edit.cell, edit.after);
    } else if (edit.op === "clear") {
      for (const cell of edit.cell === null ? this.cells.values() : [this.cells.get(edit.cell)]) {
        if (!cell) continue;
        cell.recorded.clear();
        cell.outputs.value = [];
        cell.count.value = null;
        if (cell.progress.peek().state === "idle") cell.progress.value = {state: "idle", status: null, started_at: null, ended_at: null};
      }
    } else if (edit.op === "metadata" && edit.cell === null) this.metadata.value = edit.metadata;
    else {
      const cell = edit.cell === null ? undefined : this.cells.get(edit.cell);
      if (cell && edit.op === "type") cell.type.value = edit.cell_type;
      else if (cell && edit.op === "metadata") cell.metadata.value = edit.metadata;
      else if (cell && edit.op === "source") cell.source.value = edit.source;
    }
  }

  // ---- sending -------------------------------------------------------------------------------------------------------------

  get hasPending(): boolean {
    return this.queue.length > 0 || [...this.typed].some((id) => this.isToSend(id));
  }

  private isToSend(id: string): boolean {
    const cell = this.cells.get(id);
    return cell !== undefined && cell.isDirty && cell.theirs.peek() === null;
  }

  private soon(wait_ms: number): void {
    if (this.sync.peek() === "synced") this.sync.value = "pending";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.flush(), wait_ms);
    this.draftTimer ??= setTimeout(() => {
      this.draftTimer = undefined;
      this.keepDraft();
    }, 150);
  }

  /** What waits, as one request's edits; `isTaken` takes it out of the queue. */
  private batchOf(isTaken: boolean): {edits: Edit[]; sources: Cell[]} {
    const sources = [...this.typed].filter((id) => this.isToSend(id)).map((id) => this.cells.get(id) as Cell);
    const inserted = new Set(this.queue.flatMap((edit) => (edit.op === "insert" ? [edit.cell.id] : [])));
    const edits: Edit[] = this.queue.map((edit) => (edit.op === "insert" && this.cells.has(edit.cell.id)
      ? {...edit, cell: {...edit.cell, source: this.cells.get(edit.cell.id)!.source.peek()}} : edit));
    for (const cell of sources) {
      if (!inserted.has(cell.id)) edits.push({op: "source", cell: cell.id, source: cell.source.peek(), revision: cell.revision});
    }
    if (isTaken) {
      this.queue = [];
      this.typed = new Set([...this.typed].filter((id) => this.cells.get(id)?.theirs.peek()));
      for (const cell of sources) cell.sent = cell.source.peek();
    }
    return {edits, sources};
  }

  /** Sends all that waits; resolves when the server has it on disk (or it has to wait for the server). */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    while (this.sending) await this.sending;
    if (!this.hasPending) return;
    const {edits, sources} = this.batchOf(true);
    this.sync.value = "sending";
    this.sending = patch<Answer>(this.path, {client: this.client, edits}).then(
      (answer) => this.answered(answer, edits, sources),
      (error: unknown) => this.refused(error, edits, sources)).finally(() => (this.sending = null));
    await this.sending;
    this.keepDraft();
  }

  private answered(answer: Answer, edits: Edit[], sources: Cell[]): void {
    batch(() => {
      const conflicts = new Map(answer.conflicts.map((conflict) => [conflict.cell, conflict]));
      for (const edit of edits) {
        if (edit.op === "insert" && !conflicts.has(edit.cell.id)) {
          const cell = this.cells.get(edit.cell.id);
          if (cell) cell.base = String(edit.cell.source);
        }
      }
      for (const cell of sources) {
        if (!conflicts.has(cell.id) && cell.sent !== null && (answer.cells[cell.id] ?? cell.revision) >= cell.revision) cell.base = cell.sent;
      }
      for (const [id, revision] of Object.entries(answer.cells)) {
        const cell = this.cells.get(id);
        if (cell && !conflicts.has(id)) cell.revision = Math.max(cell.revision, revision);
      }
      for (const conflict of conflicts.values()) this.takeConflict(conflict, edits);
      for (const cell of sources) {
        cell.sent = null;
        if (cell.isDirty) this.typed.add(cell.id);
      }
      this.sync.value = this.hasPending ? "pending" : "synced";
      this.problem.value = null;
      if (edits.length > conflicts.size) this.isUnsaved.value = true;
    });
    if (this.hasPending) this.soon(QUIET_MS);
  }

  private takeConflict({cell: id, revision, source}: Answer["conflicts"][number], edits: Edit[]): void {
    const cell = this.cells.get(id);
    const isGone = revision === null || source === null;
    const wasDeleted = edits.some((edit) => edit.op === "delete" && edit.cell === id);
    if (wasDeleted && !isGone) {
      announce("Somebody changed the cell that was deleted; it is back.");
      void this.reload();
    } else if (cell && isGone && cell.isDirty) cell.theirs.value = {source: null, revision: 0};
    else if (cell && source !== null && revision !== null) {
      cell.takeText(source, revision);
      if (cell.theirs.peek()) announce("Somebody else changed this cell too. Both versions are shown; choose one.");
    }
  }

  private refused(error: unknown, edits: Edit[], sources: Cell[]): void {
    const isFinal = error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 409;
    for (const cell of sources) {
      cell.sent = null;
      this.typed.add(cell.id);
    }
    if (isFinal) {
      this.problem.value = error; // the text stays here and in the draft
      this.sync.value = "waiting";
      return;
    }
    this.queue = [...edits.filter((edit) => edit.op !== "source"), ...this.queue];
    this.sync.value = "waiting";
    this.soon(AGAIN_MS);
  }

  /** All of it anew, keeping what was typed. */
  async reload(): Promise<void> {
    this.takeSnapshot(await api<Snapshot>(this.path));
  }

  // ---- two versions of a cell ----------------------------------------------------------------------------------------------

  /** "mine": ours is sent over theirs; "theirs": ours goes; "both": theirs stays and ours becomes the next cell. */
  resolve(id: string, choice: "mine" | "theirs" | "both"): void {
    const cell = this.cells.get(id);
    const theirs = cell?.theirs.peek();
    if (!cell || !theirs) return;
    const mine = cell.source.peek();
    batch(() => {
      cell.theirs.value = null;
      if (theirs.source === null) {
        const order = this.order.peek();
        const before = order[order.indexOf(id) - 1] ?? null;
        const copy = {...cell.asNb(), id: newId()};
        this.apply({op: "delete", cell: id, revision: 0});
        if (choice !== "theirs") this.insert(copy, before);
        return;
      }
      cell.base = theirs.source;
      cell.revision = theirs.revision;
      if (choice === "mine") {
        this.typed.add(id);
        this.soon(0);
        return;
      }
      cell.source.value = theirs.source;
      this.typed.delete(id);
      if (choice === "both") this.insert({...cell.asNb(false), id: newId(), source: mine}, id);
    });
    this.keepDraft();
  }

  // ---- drafts --------------------------------------------------------------------------------------------------------------

  private keepDraft(): void {
    const dirty = [...this.cells.values()].filter((cell) => cell.isDirty);
    const inserts = this.queue.filter((edit) => edit.op === "insert");
    this.drafts.keep(dirty.length + inserts.length === 0 ? null : {
      at: Date.now(), inserts, cells: Object.fromEntries(dirty.map((cell) => [cell.id, {source: cell.source.peek(), base: cell.base}])),
    });
  }

  private adopt(draft: Draft): void {
    let found = 0;
    for (const insert of draft.inserts) {
      if (!this.cells.has(insert.cell.id)) {
        this.insert({...insert.cell, source: draft.cells[insert.cell.id]?.source ?? insert.cell.source}, insert.after);
        found++;
      }
    }
    for (const [id, {source, base}] of Object.entries(draft.cells)) {
      const cell = this.cells.get(id);
      if (cell && (cell.source.peek() === source || draft.inserts.some((insert) => insert.cell.id === id))) continue;
      found++;
      if (!cell) this.insert({id: newId(), cell_type: "code", source, metadata: {}, outputs: [], execution_count: null}, this.order.peek().at(-1) ?? null);
      else if (cell.base === base) this.type(id, source);
      else {
        const theirs = {source: cell.source.peek(), revision: cell.revision};
        cell.source.value = source;
        cell.theirs.value = theirs;
      }
    }
    if (found) announce("What was typed before the tab closed is here again.");
  }

  // ---- kernel --------------------------------------------------------------------------------------------------------------

  /** Runs the cells in this order, after what was typed has reached the server. */
  async run(ids: string[]): Promise<void> {
    const those = ids.map((id) => this.cells.get(id)).filter((cell): cell is Cell => cell !== undefined && cell.type.peek() === "code");
    if (those.length === 0) return;
    await this.flush();
    const torn = those.find((cell) => cell.theirs.peek());
    if (torn) {
      announce("A cell has two versions: choose one, then run it.");
      return;
    }
    await this.attempt(() => post(`${this.path}/execute`, {cells: those.map((cell) => cell.id), client: this.client, edits: []}));
  }

  async tellKernel(action: "start" | "interrupt" | "restart" | "shutdown"): Promise<void> {
    await this.attempt(() => post(`${this.path}/kernel`, {action}));
  }

  async answer(value: string): Promise<void> {
    await this.attempt(() => post(`${this.path}/input`, {value}));
  }

  async save(): Promise<void> {
    await this.flush();
    await this.attempt(() => post(`${this.path}/save`));
  }

  /** Does it; what went wrong is shown above the notebook. */
  private async attempt(what: () => Promise<unknown>): Promise<void> {
    try {
      await what();
      this.problem.value = null;
    } catch (error) {
      this.problem.value = error instanceof Problem ? error : new Problem(0, "unknown", "That did not work", String(error), null, null, {});
    }
  }
}
