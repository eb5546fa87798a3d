/**
 * The editors: at most three CodeMirrors, each in a shadow root (its style sheets are adopted there, which the content security
 * policy allows), moved to the cells that are about to be edited. A cell's undo history waits in its saved state.
 */
import {acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, startCompletion,
  type CompletionContext, type CompletionResult} from "@codemirror/autocomplete";
import {defaultKeymap, history, historyKeymap, indentLess, indentMore, insertTab, toggleComment} from "@codemirror/commands";
import {markdown} from "@codemirror/lang-markdown";
import {python} from "@codemirror/lang-python";
import {bracketMatching, indentOnInput, indentUnit, syntaxHighlighting} from "@codemirror/language";
import {highlightSelectionMatches} from "@codemirror/search";
import {Annotation, EditorState, type EditorSelection, Facet, Prec, StateEffect, StateField, type Extension} from "@codemirror/state";
import {drawSelection, EditorView, keymap, showTooltip, type Command, type Tooltip} from "@codemirror/view";
import {effect} from "@preact/signals";
import {classHighlighter} from "@lezer/highlight";
import type {Cell} from "./cell-model";
import type {CellType} from "./types";

/** What an editor asks of the notebook around it. */
export interface Around {
  typed(id: string, source: string): void;
  focused(id: string): void;
  blurred(id: string): void;
  /** A key that is the notebook's: true when it was one. */
  press(event: KeyboardEvent, id: string, at: {isFirstLine: boolean; isLastLine: boolean; from: number; to: number}): boolean;
  complete(code: string, cursor: number): Promise<{matches: string[]; from: number; to: number; types: Map<string, string>} | null>;
  inspect(code: string, cursor: number, detail: 0 | 1): Promise<string | null>;
}

const MOST = 3;
const fromOutside = Annotation.define<boolean>();

const theme = EditorView.theme({
  "&": {backgroundColor: "transparent", color: "var(--ink)", fontSize: "13.5px"},
  "&.cm-focused": {outline: "none"},
  ".cm-scroller": {fontFamily: "var(--mono)", lineHeight: "1.55"},
  ".cm-content": {padding: "8px 0", caretColor: "var(--ink)"},
  ".cm-line": {padding: "0 12px"},
  ".cm-cursor": {borderLeftColor: "var(--ink)", borderLeftWidth: "2px"},
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--select)",
  },
  ".cm-selectionMatch": {backgroundColor: "var(--sun-wash)"},
  "&.cm-focused .cm-matchingBracket": {backgroundColor: "var(--wash)", outline: "1px solid var(--line)"},
  ".cm-tooltip": {
    backgroundColor: "var(--card)", color: "var(--ink)", border: "1px solid var(--line)", borderRadius: "8px", boxShadow: "var(--shadow)",
    overflow: "hidden",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": {fontFamily: "var(--mono)", fontSize: "13px", maxHeight: "16em"},
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": {padding: "3px 10px", color: "var(--ink)"},
  ".cm-tooltip-autocomplete ul li[aria-selected]": {background: "var(--accent)", color: "var(--on-accent)"},
  ".cm-completionDetail": {color: "inherit", opacity: "0.8", fontStyle: "normal", marginLeft: "1.2em"},
  ".cm-inspect": {
    fontFamily: "var(--mono)", fontSize: "12.5px", whiteSpace: "pre-wrap", maxWidth: "78ch", maxHeight: "20em", overflow: "auto", padding: "8px 12px",
  },
  ".tok-keyword, .tok-operatorKeyword": {color: "var(--tok-keyword)"},
  ".tok-string, .tok-string2": {color: "var(--tok-string)"},
  ".tok-number, .tok-bool, .tok-atom": {color: "var(--tok-number)"},
  ".tok-comment": {color: "var(--tok-comment)", fontStyle: "italic"},
  ".tok-definition, .tok-className": {color: "var(--tok-name)"},
  ".tok-heading, .tok-strong": {fontWeight: "700"}, ".tok-emphasis": {fontStyle: "italic"}, ".tok-link, .tok-url": {color: "var(--accent)"},
});

/** The type the state was made for. */
const kindOf = Facet.define<CellType, CellType>({combine: (values) => values[0] ?? "code"});
const setInspection = StateEffect.define<Tooltip | null>();
const inspection = StateField.define<Tooltip | null>({
  create: () => null,
  update(value, change) {
    for (const one of change.effects) if (one.is(setInspection)) return one.value;
    return change.docChanged || change.selection ? null : value;
  },
  provide: (field) => showTooltip.from(field),
});

export class Editors {
  private readonly views: Host[] = [];
  private readonly states = new Map<string, EditorState>();

  constructor(readonly around: Around) {}

  /** The cell's editor, in `place`; made or taken from the cell that was edited longest ago. */
  mount(cell: Cell, place: HTMLElement): Host {
    const there = this.views.find((host) => host.cell === cell && host.element.parentElement === place);
    if (there) return this.used(there);
    this.release(cell.id);
    let host = this.views.find((one) => one.cell === null);
    if (!host && this.views.length >= MOST) {
      host = this.views.find((one) => !one.view.hasFocus) ?? this.views[0]!;
      this.free(host);
    }
    if (!host) {
      host = new Host();
      this.views.push(host);
    }
    const state = this.states.get(cell.id);
    const isText = state && state.doc.toString() === cell.source.peek();
    const isSame = isText && state.facet(kindOf) === cell.type.peek();
    // A cell that has become another kind while somebody types in it keeps its caret.
    host.take(cell, isSame ? state : this.fresh(cell, isText ? state.selection : undefined), place);
    return this.used(host);
  }

  private used(host: Host): Host {
    this.views.splice(this.views.indexOf(host), 1);
    this.views.push(host);
    return host;
  }

  hostOf(id: string): Host | undefined {
    return this.views.find((host) => host.cell?.id === id);
  }

  /** The editor leaves the cell; its history is kept. */
  release(id: string): void {
    const host = this.hostOf(id);
    if (host) this.free(host);
  }

  private free(host: Host): void {
    if (host.cell) this.states.set(host.cell.id, host.view.state);
    host.leave();
  }

  close(): void {
    for (const host of this.views) {
      host.leave();
      host.view.destroy();
    }
    this.views.length = 0;
  }

  private fresh(cell: Cell, selection?: EditorSelection): EditorState {
    return EditorState.create({doc: cell.source.peek(), selection, extensions: extensions(cell, this.around)});
  }
}

/** One CodeMirror in its shadow root, moved from cell to cell. */
export class Host {
  readonly element = document.createElement("div");
  readonly view: EditorView;
  cell: Cell | null = null;
  private stop: () => void = () => undefined;

  constructor() {
    this.element.className = "host";
    const root = this.element.attachShadow({mode: "open"});
    this.view = new EditorView({parent: root, root});
  }

  take(cell: Cell, state: EditorState, place: HTMLElement): void {
    this.cell = cell;
    this.view.setState(state);
    place.append(this.element);
    this.stop = effect(() => {
      const source = cell.source.value;
      const now = this.view.state.doc.toString();
      if (source !== now) this.view.dispatch({changes: change(now, source), annotations: fromOutside.of(true)});
    });
    this.view.requestMeasure();
  }

  leave(): void {
    this.stop();
    this.cell = null;
    const place = this.element.parentElement;
    this.element.remove();
    place?.dispatchEvent(new Event("editor-left"));
  }

  /** Focus with the caret at the start, the end, an offset, or where the pointer is. */
  focus(at?: number | "start" | "end" | {x: number; y: number}): void {
    this.view.focus();
    if (at === undefined) return;
    const length = this.view.state.doc.length;
    const anchor = at === "start" ? 0 : at === "end" ? length : typeof at === "number" ? Math.min(at, length) : this.view.posAtCoords(at, false);
    this.view.dispatch({selection: {anchor}, scrollIntoView: true});
  }

  select(from: number, to: number): void {
    this.view.dispatch({selection: {anchor: from, head: to}, scrollIntoView: true});
  }
}

/** The smallest single replacement that makes `after` of `before`, so that carets stay where they are. */
function change(before: string, after: string): {from: number; to: number; insert: string} {
  let start = 0;
  const most = Math.min(before.length, after.length);
  while (start < most && before[start] === after[start]) start++;
  let end = 0;
  while (end < most - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return {from: start, to: before.length - end, insert: after.slice(start, after.length - end)};
}

function extensions(cell: Cell, around: Around): Extension[] {
  const kind = cell.type.peek();
  const label = kind === "code" ? "Code" : kind === "markdown" ? "Text in Markdown" : "Raw text";
  return [
    kindOf.of(kind),
    EditorView.domEventHandlers({
      focus: () => around.focused(cell.id),
      blur: () => around.blurred(cell.id),
    }),
    Prec.highest(EditorView.domEventHandlers({keydown: (event, view) => pressed(event, view, cell, around)})),
    history(), drawSelection(), EditorState.allowMultipleSelections.of(true), indentUnit.of(kind === "code" ? "    " : "  "),
    EditorState.tabSize.of(4), indentOnInput(), bracketMatching(), closeBrackets(), highlightSelectionMatches({minSelectionLength: 2}),
    syntaxHighlighting(classHighlighter), theme, inspection,
    kind === "code"
      ? [python(), autocompletion({override: [kernelCompletion(around)], activateOnTyping: false, icons: false, maxRenderedOptions: 200})] : [],
    kind === "markdown" ? markdown() : [],
    kind === "code" ? [] : EditorView.lineWrapping,
    EditorView.contentAttributes.of({"aria-label": label, tabindex: "0", spellcheck: kind === "code" ? "false" : "true", autocapitalize: "off"}),
    EditorView.updateListener.of((update) => {
      const isTyped = update.docChanged && !update.transactions.some((one) => one.annotation(fromOutside));
      if (isTyped) around.typed(cell.id, update.state.doc.toString());
    }),
    keymap.of([
      {key: "Tab", run: (view) => acceptCompletion(view) || (kind === "code" && completeHere(view)) || indentMoreOrTab(view)},
      {key: "Shift-Tab", run: (view) => (kind === "code" && inspectHere(view, around)) || indentLess(view)},
      {key: "Mod-/", run: toggleComment}, {key: "Mod-]", run: indentMore}, {key: "Mod-[", run: indentLess},
      {key: "Ctrl-Space", run: startCompletion},
      ...closeBracketsKeymap, ...completionKeymap, ...historyKeymap,
      ...defaultKeymap.filter((binding) => binding.key !== "Mod-Enter" && binding.key !== "Mod-i" && binding.key !== "Mod-/"),
    ]),
  ];
}

function pressed(event: KeyboardEvent, view: EditorView, cell: Cell, around: Around): boolean {
  if (event.isComposing || event.key === "Process") return false;
  const isChoosing = completionStatus(view.state) !== null && !event.shiftKey && !event.ctrlKey;
  if (isChoosing && ["Escape", "Enter", "ArrowUp", "ArrowDown"].includes(event.key)) return false;
  if (event.key === "Escape" && view.state.field(inspection)) {
    view.dispatch({effects: setInspection.of(null)});
    return true;
  }
  const {main} = view.state.selection;
  const line = view.state.doc.lineAt(main.head).number;
  const took = around.press(event, cell.id, {
    isFirstLine: line === 1 && main.empty, isLastLine: line === view.state.doc.lines && main.empty, from: main.from, to: main.to,
  });
  if (took) event.preventDefault();
  event.stopPropagation(); // what an editor does with a key is not for the page
  return took;
}

const indentMoreOrTab: Command = (view) => (view.state.selection.main.empty ? insertTab(view) : indentMore(view));

/** Tab after something that can be completed asks the kernel; elsewhere it indents. */
const completeHere: Command = (view) => {
  const {main} = view.state.selection;
  if (!main.empty) return false;
  const line = view.state.doc.lineAt(main.head);
  if (!/[\w.'"/\])]$/.test(line.text.slice(0, main.head - line.from))) return false;
  return startCompletion(view);
};

function kernelCompletion(around: Around) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const found = await around.complete(context.state.doc.toString(), context.pos);
    if (!found || context.aborted || found.matches.length === 0) return null;
    return {
      from: found.from, to: found.to, validFor: /^[\w]*$/,
      options: found.matches.map((label) => ({label, detail: found.types.get(label)})),
    };
  };
}

/** Shift-Tab shows what the kernel knows of the thing at the caret; again, all of it. */
function inspectHere(view: EditorView, around: Around): boolean {
  const {main, ranges} = view.state.selection;
  if (ranges.length > 1 || !main.empty) return false;
  const line = view.state.doc.lineAt(main.head);
  if (line.text.slice(0, main.head - line.from).trim() === "") return false;
  const detail = view.state.field(inspection) ? 1 : 0;
  const pos = main.head;
  void around.inspect(view.state.doc.toString(), pos, detail).then((text) => {
    if (view.state.selection.main.head !== pos) return;
    view.dispatch({effects: setInspection.of({
      pos, above: false, create: () => {
        const dom = document.createElement("div");
        dom.className = "cm-inspect";
        dom.setAttribute("role", "note");
        dom.tabIndex = 0;
        dom.textContent = text ?? "The kernel knows nothing of this.";
        return {dom};
      },
    })});
  });
  return true;
}
