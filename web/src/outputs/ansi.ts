/** Terminal text made into nodes: colours and weights become spans, every other control sequence disappears. */

/* eslint-disable-next-line no-control-regex */
const SEQUENCE = /\x1b(?:\[([0-9;:<=>?]*)[ -/]*([@-~])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)/g;
const OTHER_CONTROLS = /[\x00-\x08\x0b-\x1f\x7f]/g;
const MANY_SPANS = 20_000;

interface Pen {
  fg: string;
  bg: string;
  marks: Set<string>;
}

const MARKS: Record<number, string> = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"};
const ENDS: Record<number, string[]> = {22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"]};

/** "5" to "15" name our palette; anything else is an rgb() value. */
function extended(codes: number[]): string {
  if (codes[0] === 2) return `rgb(${codes.slice(1, 4).map((part) => Math.min(255, part || 0)).join(" ")})`;
  const at = Math.min(255, codes[1] || 0);
  if (at < 16) return String(at);
  if (at >= 232) return `rgb(${[0, 0, 0].map(() => 8 + (at - 232) * 10).join(" ")})`;
  const level = (part: number): number => (part === 0 ? 0 : 55 + part * 40);
  return `rgb(${[Math.floor((at - 16) / 36), Math.floor((at - 16) / 6) % 6, (at - 16) % 6].map(level).join(" ")})`;
}

export class AnsiWriter {
  private pen: Pen = {fg: "", bg: "", marks: new Set()};
  private spans = 0;

  /** Appends `text` to `place`, going on with the colours that the last text ended with. */
  write(place: Node, text: string): void {
    let from = 0;
    if (text.includes("\x1b")) {
      SEQUENCE.lastIndex = 0;
      for (let found = SEQUENCE.exec(text); found; found = SEQUENCE.exec(text)) {
        this.put(place, text.slice(from, found.index));
        from = found.index + found[0].length;
        if (found[2] === "m") this.select(found[1] ?? "");
        if (found[0].length === 0) SEQUENCE.lastIndex++;
      }
    }
    this.put(place, text.slice(from));
  }

  private put(place: Node, raw: string): void {
    const text = raw.replace(OTHER_CONTROLS, "");
    if (!text) return;
    const {fg, bg, marks} = this.pen;
    if ((!fg && !bg && marks.size === 0) || this.spans >= MANY_SPANS) {
      place.appendChild(document.createTextNode(text));
      return;
    }
    this.spans++;
    const span = document.createElement("span");
    span.className = [...marks].map((mark) => `ansi-${mark}`).join(" ");
    const isSwapped = marks.has("inverse");
    paint(span, "fg", isSwapped ? bg : fg);
    paint(span, "bg", isSwapped ? fg : bg);
    span.textContent = text;
    place.appendChild(span);
  }

  private select(parameters: string): void {
    const codes = parameters.slice(0, 400).split(/[;:]/).map(Number);
    for (let at = 0; at < codes.length; at++) {
      const code = codes[at] ?? 0;
      if (code === 0) this.pen = {fg: "", bg: "", marks: new Set()};
      else if (MARKS[code]) this.pen.marks.add(MARKS[code]);
      else if (ENDS[code]) ENDS[code].forEach((mark) => this.pen.marks.delete(mark));
      else if (code === 39) this.pen.fg = "";
      else if (code === 49) this.pen.bg = "";
      else if (code >= 30 && code <= 37) this.pen.fg = String(code - 30);
      else if (code >= 90 && code <= 97) this.pen.fg = String(code - 82);
      else if (code >= 40 && code <= 47) this.pen.bg = String(code - 40);
      else if (code >= 100 && code <= 107) this.pen.bg = String(code - 92);
      else if (code === 38 || code === 48) {
        const rest = codes.slice(at + 1, at + 6);
        this.pen[code === 38 ? "fg" : "bg"] = extended(rest);
        at += rest[0] === 2 ? 4 : 2;
      }
    }
  }
}

function paint(span: HTMLElement, side: "fg" | "bg", colour: string): void {
  if (!colour) return;
  if (!colour.startsWith("rgb")) span.classList.add(`ansi-${side}-${colour}`);
  else if (side === "fg") span.style.color = readable(colour);
  else span.style.backgroundColor = colour;
}

/** What a terminal would still show of lines that went back over themselves (\r of progress bars, \b). */
export function overwritten(text: string): string {
  if (!text.includes("\r") && !text.includes("\b")) return text;
  return text.replace(/\r+\n/g, "\n").split("\n").map(line).join("\n");
}

function line(text: string): string {
  let shown = text;
  if (shown.includes("\r")) {
    const passes = shown.split("\r");
    const last = passes.findLastIndex((pass) => pass !== "");
    shown = last < 0 ? "" : passes[last] ?? "";
    const before = passes[last - 1] ?? "";
    if (!shown.includes("\x1b") && !before.includes("\x1b") && before.length > shown.length) shown += before.slice(shown.length);
  }
  if (!shown.includes("\b")) return shown;
  const kept: string[] = [];
  for (const character of shown) {
    if (character !== "\b") kept.push(character);
    else kept.pop();
  }
  return kept.join("");
}

/** The text without any control sequence: to be copied. */
export function withoutAnsi(text: string): string {
  return overwritten(text).replace(SEQUENCE, "").replace(OTHER_CONTROLS, "");
}

/** A program's own colour, as light or dark as the page's background asks for. */
function readable(colour: string): string {
  return `light-dark(oklch(from ${colour} min(l, .46) c h), oklch(from ${colour} max(l, .78) c h))`;
}
