/** Jupyter's keys: command mode moves and changes cells, edit mode is the editor's. */
import {isTyping, pageKeys, singleKeys} from "../../shell/keys";
import type {Desk} from "./desk";

type Command = (desk: Desk) => void;

/** Keys of command mode; two letters are pressed after each other. Those of one letter can be switched off (the shell's keys). */
const COMMAND: Record<string, Command> = {
  "Enter": (desk) => desk.edit(),
  "ArrowUp": (desk) => desk.step(-1), "ArrowDown": (desk) => desk.step(1), "k": (desk) => desk.step(-1), "j": (desk) => desk.step(1),
  "Shift-ArrowUp": (desk) => desk.step(-1, true), "Shift-ArrowDown": (desk) => desk.step(1, true),
  "K": (desk) => desk.step(-1, true), "J": (desk) => desk.step(1, true),
  "Home": (desk) => desk.select(desk.order[0] ?? null), "End": (desk) => desk.select(desk.order.at(-1) ?? null),
  "Alt-ArrowUp": (desk) => desk.move(-1), "Alt-ArrowDown": (desk) => desk.move(1),
  "a": (desk) => void desk.insert("above"), "b": (desk) => void desk.insert("below"),
  "x": (desk) => desk.remove(true), "c": (desk) => desk.copy(), "v": (desk) => desk.paste("below"), "V": (desk) => desk.paste("above"),
  "dd": (desk) => desk.remove(), "Delete": (desk) => desk.remove(), "z": (desk) => desk.undoRemoval(),
  "m": (desk) => desk.retype("markdown"), "y": (desk) => desk.retype("code"), "r": (desk) => desk.retype("raw"),
  "1": (desk) => desk.retype("markdown", 1), "2": (desk) => desk.retype("markdown", 2), "3": (desk) => desk.retype("markdown", 3),
  "4": (desk) => desk.retype("markdown", 4), "5": (desk) => desk.retype("markdown", 5), "6": (desk) => desk.retype("markdown", 6),
  "M": (desk) => desk.merge(), "t": (desk) => desk.toggle("parameters"),
  "h": (desk) => desk.toggle("source"), "o": (desk) => desk.toggle("outputs"),
  "l": (desk) => void (desk.isNumbered.value = !desk.isNumbered.value),
  "ii": (desk) => void desk.doc.tellKernel("interrupt"), "00": (desk) => void (desk.panel.value = "restart"),
  "f": (desk) => void (desk.panel.value = "find"), "s": (desk) => void desk.doc.save(),
  " ": () => scrollBy({top: innerHeight * 0.8}), "Shift- ": () => scrollBy({top: -innerHeight * 0.8}),
};
/** In both modes. */
const BOTH: Record<string, Command> = {
  "Shift-Enter": (desk) => desk.run("next"), "Ctrl-Enter": (desk) => desk.run("stay"), "Alt-Enter": (desk) => desk.run("insert"),
  "Ctrl-s": (desk) => void desk.doc.save(), "Ctrl-i": (desk) => void (desk.panel.value = "snippets"),
  "Ctrl-f": (desk) => void (desk.panel.value = "find"),
};
const AGAIN = new Set(["d", "i", "0"]);
const AGAIN_MS = 900;

export const KEYS: [keys: string, what: string][] = [
  ["Enter", "edit the cell"], ["Esc", "leave the editor"], ["Shift+Enter", "run, go to the next cell"], ["Ctrl+Enter", "run, stay"],
  ["Alt+Enter", "run, insert a cell below"], ["↑ ↓ k j", "previous, next cell (with Shift: select several)"], ["Alt+↑ Alt+↓", "move the cell"],
  ["a b", "insert a cell above, below"], ["x c v", "cut, copy, paste cells"], ["d d", "delete the cell"], ["z", "bring deleted cells back"],
  ["m y r", "text, code, raw cell"], ["1 … 6", "heading"], ["Shift+m", "merge with the next cell"], ["Ctrl+Shift+-", "split at the caret"],
  ["t", "parameters cell, or not"], ["h o", "hide the code, the outputs"], ["l", "line numbers"],
  ["i i", "interrupt the kernel"], ["0 0", "restart the kernel"],
  ["f", "find and replace"], ["Ctrl+i", "insert a snippet"], ["Tab", "complete"], ["Shift+Tab", "what is this? (again: all of it)"],
  ["Ctrl+s", "save a version"], ["Space", "scroll"],
];

function nameOf(event: KeyboardEvent): string {
  const key = event.key.length === 1 && (event.ctrlKey || event.metaKey) ? event.key.toLowerCase() : event.key;
  const ctrl = event.ctrlKey || event.metaKey ? "Ctrl-" : "";
  const shift = event.shiftKey && (key.length > 1 || key === " " || ctrl) ? "Shift-" : "";
  return `${ctrl}${event.altKey ? "Alt-" : ""}${shift}${key}`;
}

/** A key in an editor; true when it was the notebook's. */
export function pressedInEditor(event: KeyboardEvent, desk: Desk, id: string,
  at: {isFirstLine: boolean; isLastLine: boolean; from: number; to: number}): boolean {
  const name = nameOf(event);
  if (name === "Escape") desk.leave();
  else if (name === "Ctrl-Shift--" || name === "Ctrl-Shift-_") desk.split(id, at.from, at.to);
  else if (name === "ArrowUp" && at.isFirstLine && desk.order.indexOf(id) > 0) enter(desk, id, -1);
  else if (name === "ArrowDown" && at.isLastLine && desk.order.indexOf(id) < desk.order.length - 1) enter(desk, id, 1);
  else if (BOTH[name]) BOTH[name](desk);
  else return false;
  return true;
}

function enter(desk: Desk, id: string, by: 1 | -1): void {
  const next = desk.order[desk.order.indexOf(id) + by]!;
  if (desk.doc.cell(id)?.type.peek() === "markdown") desk.editors?.release(id);
  if (desk.doc.cell(next)?.type.peek() === "markdown") desk.select(next);
  else desk.edit(next, by < 0 ? "end" : "start");
}

/** Listens for the notebook's keys until the returned function is called. */
export function listen(desk: Desk): () => void {
  let before = "";
  let at = 0;
  const press = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (desk.panel.peek() !== null && desk.panel.peek() !== "find") return; // a dialog is on its way: the key is not for the cells
    const name = nameOf(event);
    const target = event.composedPath()[0] as Element;
    if (isTyping(event)) {
      if (name === "Ctrl-s") {
        event.preventDefault();
        void desk.doc.save();
      }
      return;
    }
    if (desk.waits(event)) {
      event.preventDefault();
      return;
    }
    const isOnButton = target.closest?.("button, a, summary, select, [role=menuitem]");
    if (isOnButton && (name === "Enter" || name === " ")) return;
    if (!target.closest?.(".notebook") && target !== document.body && name !== "Ctrl-s" && name !== "Ctrl-i") return;
    if (before === "g" && /^[odnrp]$/.test(name)) { // the shell goes to another page
      before = "";
      return;
    }
    const isDouble = AGAIN.has(name) && before === name && event.timeStamp - at < AGAIN_MS;
    const command = BOTH[name] ?? (isDouble ? COMMAND[name + name] : AGAIN.has(name) ? undefined : COMMAND[name]);
    before = isDouble ? "" : name;
    at = event.timeStamp;
    if (!command || (name.length === 1 && !singleKeys.value)) return;
    if (desk.selected.peek() === null && desk.order[0]) desk.selected.value = desk.order[0];
    event.preventDefault();
    desk.awaiting = null;
    command(desk);
  };
  addEventListener("keydown", press);
  pageKeys.value = KEYS;
  return () => {
    removeEventListener("keydown", press);
    pageKeys.value = [];
  };
}
