/** What a person does with the open notebook: the selected cells, the two modes, and every command a key or a button may call. */
import {batch, signal} from "@preact/signals";
import {announce} from "../../ui";
import type {Cell} from "./cell-model";
import type {Editors, Host} from "./code";
import type {NotebookDocument} from "./document";
import {newId, tagsOf, type CellType, type NbCell} from "./types";

export type Mode = "command" | "edit";
/** What stands over the notebook, asking something. */
export type Panel = null | "find" | "snippets" | "publish" | "follow" | "run" | "follow" | "restart" | "restart-and-run" | "import";
export type Caret = number | "start" | "end" | {x: number; y: number};

interface Removed { cells: NbCell[]; after: string | null }

let clipboard: NbCell[] = [];

export class Desk {
  readonly selected = signal<string | null>(null);
  /** Where a selection of several cells began. */
  readonly anchor = signal<string | null>(null);
  readonly mode = signal<Mode>("command");
  readonly panel = signal<Panel>(null);
  readonly isNumbered = signal(false);
  editors: Editors | null = null;
  /** The new cell whose editor is on its way: what is typed until then is its text. */
  awaiting: string | null = null;
  /** The place of a cell's editor; null as long as the cell is not drawn in full. */
  place: (id: string) => HTMLElement | null = () => null;
  /** Makes a cell that is far away be on the page. */
  reveal: (id: string) => void = () => undefined;
  private removed: Removed[] = [];

  constructor(readonly doc: NotebookDocument) {}

  get order(): string[] {
    return this.doc.order.peek();
  }

  cell(): Cell | undefined {
    const id = this.selected.peek();
    return id === null ? undefined : this.doc.cell(id);
  }

  // ---- selection and modes -------------------------------------------------------------------------------------------------

  /** The selected cells, from top to bottom. */
  get selection(): string[] {
    return chosen(this.order, this.selected.peek(), this.anchor.peek());
  }

  select(id: string | null, options: {extend?: boolean; isByPointer?: boolean} = {}): void {
    const before = this.selected.peek();
    batch(() => {
      if (!options.extend) this.anchor.value = null;
      else this.anchor.value ??= before;
      this.selected.value = id;
      this.mode.value = "command";
    });
    if (before !== null && before !== id && this.doc.cell(before)?.type.peek() === "markdown") this.editors?.release(before);
    if (id === null) return;
    this.reveal(id);
    if (!options.isByPointer) this.show(id);
    setTimeout(() => this.selected.peek() === id && this.prepare(id), 0);
  }

  element(id: string): HTMLElement | null {
    return document.getElementById(`cell-${id}`);
  }

  /** Focus on the cell, and the cell in sight. */
  private show(id: string): void {
    const element = this.element(id);
    element?.focus({preventScroll: true});
    element?.scrollIntoView({block: "nearest"});
  }

  /** The editor of a cell that will likely be edited is made before it is asked for. */
  prepare(id: string): Host | null {
    const cell = this.doc.cell(id);
    const place = this.place(id);
    if (!cell || !place || !this.editors || cell.type.peek() === "markdown") return null;
    return this.editors.mount(cell, place);
  }

  /** A key that belongs to an editor that is not there yet. */
  waits(event: KeyboardEvent): boolean {
    const cell = this.awaiting === null ? undefined : this.doc.cell(this.awaiting);
    if (!cell || event.key.length > 1 || event.ctrlKey || event.metaKey) return false;
    this.doc.type(cell.id, cell.source.peek() + event.key);
    return true;
  }

  step(by: 1 | -1, extend = false): void {
    const at = this.order.indexOf(this.selected.peek() ?? "");
    const next = this.order[Math.max(0, Math.min(this.order.length - 1, at + by))];
    if (next) this.select(next, {extend});
  }

  edit(id = this.selected.peek(), caret?: Caret): void {
    const cell = id === null ? undefined : this.doc.cell(id);
    if (!cell || id === null) return;
    batch(() => {
      this.selected.value = id;
      this.anchor.value = null;
      this.mode.value = "edit";
    });
    const place = this.place(id);
    if (!this.editors) return; // they are on their way, and look at the mode then
    if (!place) {
      if (this.awaiting === null) this.awaiting = id;
      this.reveal(id);
      this.element(id)?.scrollIntoView({block: "nearest"});
      setTimeout(() => this.selected.peek() === id && this.mode.peek() === "edit" && this.edit(id, caret ?? "end"), 16);
      return;
    }
    const end = this.awaiting === id ? "end" : undefined; // behind what was typed while the editor was on its way
    this.awaiting = null;
    this.editors.mount(cell, place).focus(caret ?? end);
    if (caret === undefined || typeof caret === "string") this.element(id)?.scrollIntoView({block: "nearest"});
  }

  /** Back to command mode; a text cell is drawn again. */
  leave(): void {
    const id = this.selected.peek();
    this.mode.value = "command";
    void this.doc.flush();
    if (id === null) return;
    this.element(id)?.focus({preventScroll: true});
    if (this.doc.cell(id)?.type.peek() === "markdown") this.editors?.release(id);
  }

  // ---- cells ---------------------------------------------------------------------------------------------------------------

  insert(where: "above" | "below", type: CellType = "code", source = ""): string {
    const at = this.order.indexOf(this.selected.peek() ?? "");
    const after = this.order.length === 0 ? null : where === "below" ? this.order[at < 0 ? this.order.length - 1 : at]! : this.order[at - 1] ?? null;
    return this.put([fresh(type, source)], after)[0]!;
  }

  /** Puts the cells after `after` and selects the last. */
  private put(cells: NbCell[], after: string | null): string[] {
    const ids: string[] = [];
    batch(() => {
      for (const cell of cells) {
        const id = this.doc.cell(cell.id) ? newId() : cell.id;
        this.doc.insert({...cell, id}, ids.at(-1) ?? after);
        ids.push(id);
      }
      this.choose(ids.at(-1) ?? null);
    });
    return ids;
  }

  /** Selects at once, so that the next key finds it; focus comes when the cell is on the page. */
  private choose(id: string | null): void {
    this.selected.value = id;
    this.anchor.value = null;
    this.mode.value = "command";
    this.later(() => this.selected.peek() === id && this.mode.peek() === "command" && this.select(id));
  }

  /** After what changed is on the page. */
  private later(what: () => void): void {
    queueMicrotask(() => setTimeout(what, 0));
  }

  remove(isCut = false): void {
    const ids = this.selection;
    if (ids.length === 0) return;
    const at = this.order.indexOf(ids[0]!);
    const cells = ids.map((id) => this.doc.cell(id)!.asNb());
    if (isCut) clipboard = cells;
    this.removed.push({cells, after: this.order[at - 1] ?? null});
    batch(() => {
      for (const id of ids) {
        this.editors?.release(id);
        this.doc.remove(id);
      }
      if (this.order.length === 0) this.doc.insert(fresh("code", ""), null);
      this.choose(this.order[Math.min(at, this.order.length - 1)] ?? null);
    });
    announce(`${ids.length === 1 ? "Cell" : `${ids.length} cells`} deleted. Z brings it back.`);
  }

  undoRemoval(): void {
    const last = this.removed.pop();
    if (!last) {
      announce("No deletion to undo.");
      return;
    }
    const after = last.after !== null && !this.doc.cell(last.after) ? this.order.at(-1) ?? null : last.after;
    this.put(last.cells.map((cell) => ({...cell, id: newId()})), after);
  }

  copy(): void {
    clipboard = this.selection.map((id) => this.doc.cell(id)!.asNb());
    announce(clipboard.length === 1 ? "Cell copied." : `${clipboard.length} cells copied.`);
  }

  paste(where: "above" | "below"): void {
    if (clipboard.length === 0) return;
    const at = this.order.indexOf(this.selected.peek() ?? "");
    const after = where === "below" ? this.order[at] ?? this.order.at(-1) ?? null : this.order[at - 1] ?? null;
    this.put(clipboard.map((cell) => ({...cell, id: newId()})), after);
  }

  move(by: 1 | -1): void {
    const ids = this.selection;
    const first = this.order.indexOf(ids[0] ?? "");
    const last = first + ids.length - 1;
    if (first < 0 || (by < 0 ? first === 0 : last === this.order.length - 1)) return;
    if (by < 0) this.doc.move(this.order[first - 1]!, ids.at(-1)!);
    else this.doc.move(this.order[last + 1]!, this.order[first - 1] ?? null);
    announce(`Moved ${by < 0 ? "up" : "down"}.`);
    const id = this.selected.peek();
    this.later(() => id && this.show(id));
  }

  moveTo(id: string, after: string | null): void {
    if (after !== id) this.doc.move(id, after);
    this.later(() => this.select(id));
  }

  retype(type: CellType, level = 0): void {
    for (const id of this.selection) {
      const cell = this.doc.cell(id)!;
      this.editors?.release(id);
      this.doc.retype(id, type);
      if (level > 0) this.doc.type(id, `${"#".repeat(level)} ${cell.source.peek().replace(/^#+\s*/, "")}`);
    }
    const id = this.selected.peek();
    this.later(() => id && this.mode.peek() === "command" && this.select(id));
  }

  /** Makes one of the selected cells, or of the selected one and the next. */
  merge(): void {
    let ids = this.selection;
    if (ids.length === 1) ids = this.order.slice(this.order.indexOf(ids[0]!), this.order.indexOf(ids[0]!) + 2);
    if (ids.length < 2) return;
    const [first, ...rest] = ids;
    const text = ids.map((id) => this.doc.cell(id)!.source.peek()).join("\n\n");
    this.removed.push({cells: rest.map((id) => this.doc.cell(id)!.asNb()), after: first!});
    batch(() => {
      for (const id of rest) {
        this.editors?.release(id);
        this.doc.remove(id);
      }
      this.doc.type(first!, text);
    });
    this.later(() => this.select(first!));
  }

  /** Two cells of one: what is after the caret becomes the next. */
  split(id: string, at: number, to = at): void {
    const cell = this.doc.cell(id);
    if (!cell) return;
    const text = cell.source.peek();
    const next = {...fresh(cell.type.peek(), text.slice(to).replace(/^\n/, "")), metadata: cell.metadata.peek()};
    batch(() => {
      this.doc.type(id, text.slice(0, at).replace(/\n$/, ""));
      this.doc.insert(next, id);
    });
    this.later(() => this.edit(next.id, "start"));
  }

  toggle(what: "parameters" | "source" | "outputs"): void {
    for (const id of this.selection) {
      const cell = this.doc.cell(id)!;
      const metadata = cell.metadata.peek();
      if (what === "parameters") {
        const tags = tagsOf(metadata);
        const has = tags.includes("parameters");
        this.doc.setMetadata(id, {...metadata, tags: has ? tags.filter((tag) => tag !== "parameters") : [...tags, "parameters"]});
        announce(has ? "No longer the parameters cell." : "This is the parameters cell.");
      } else {
        const jupyter = (metadata["jupyter"] as Record<string, unknown> | undefined) ?? {};
        const key = what === "source" ? "source_hidden" : "outputs_hidden";
        this.doc.setMetadata(id, {...metadata, jupyter: {...jupyter, [key]: !jupyter[key]}});
      }
    }
  }

  // ---- running -------------------------------------------------------------------------------------------------------------

  /** Runs the selected cells; then stays, goes on (a new cell at the end), or inserts one. */
  run(then: "stay" | "next" | "insert"): void {
    const ids = this.selection;
    for (const id of ids) {
      const cell = this.doc.cell(id)!;
      if (cell.type.peek() === "markdown") this.editors?.release(id);
    }
    void this.doc.run(ids);
    const last = ids.at(-1);
    if (last === undefined) return;
    this.mode.value = "command";
    const next = this.order[this.order.indexOf(last) + 1];
    if (then === "stay") this.select(last);
    else if (then === "next" && next) this.select(next);
    else {
      this.selected.value = last;
      this.anchor.value = null;
      const id = this.insert("below");
      this.mode.value = "edit";
      this.awaiting = id;
      (document.activeElement as HTMLElement | null)?.blur(); // the next key is not for the cell that runs
      this.later(() => this.awaiting === id && this.edit(id, "end"));
    }
  }

  runAll(): void {
    void this.doc.run(this.order);
  }

  runAbove(): void {
    void this.doc.run(this.order.slice(0, this.order.indexOf(this.selection[0] ?? "")));
  }

  runBelow(): void {
    void this.doc.run(this.order.slice(Math.max(0, this.order.indexOf(this.selection[0] ?? ""))));
  }

  async restart(isRunningAll: boolean): Promise<void> {
    this.panel.value = null;
    await this.doc.tellKernel("restart");
    if (isRunningAll) await this.doc.run(this.order);
  }
}

export function chosen(order: string[], selected: string | null, anchor: string | null): string[] {
  if (selected === null) return [];
  const a = order.indexOf(selected);
  const b = anchor === null ? a : order.indexOf(anchor);
  if (a < 0) return [];
  return b < 0 ? [selected] : order.slice(Math.min(a, b), Math.max(a, b) + 1);
}

export function fresh(cell_type: CellType, source: string): NbCell {
  return {id: newId(), cell_type, source, metadata: {}, ...(cell_type === "code" ? {outputs: [], execution_count: null} : {})};
}
