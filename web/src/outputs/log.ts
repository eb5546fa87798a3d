/** A text that only grows, however long: what was seen of it is not looked at again. */
import type {Lines} from "./types";

/** More than this and only the two ends are shown. */
const WHOLE = {lines: 80, characters: 40_000};
const HEAD = {lines: 40, characters: 16_000};
const TAIL = {lines: 24, characters: 12_000};
/** A piece is a string of its own; joining small ones keeps their number low. */
const PIECE = 65_536;
const PROBE = 64;

export interface Ends {
  head: string;
  tail: string;
}

export class TextLog {
  private pieces: string[] = [];
  private items = 0;
  private lastItem = "";
  size = 0;
  newlines = 0;

  get lines(): number {
    return this.newlines + (this.last(1) === "\n" ? 0 : 1);
  }

  /** Takes the text as it is now. False: it did not go on from what was known and begins anew. */
  take(text: Lines): boolean {
    const continues = typeof text === "string" ? this.goesOn(text) : this.goesOnByItems(text);
    if (!continues) {
      this.pieces = [];
      this.size = this.newlines = this.items = 0;
    }
    if (typeof text === "string") this.append(text.slice(this.size));
    else {
      for (let at = this.items; at < text.length; at++) this.append(String(text[at] ?? ""));
      this.items = text.length;
      this.lastItem = text.at(-1) ?? "";
    }
    return continues;
  }

  private goesOn(text: string): boolean {
    if (this.items > 0 || text.length < this.size) return false;
    if (this.size === 0) return true;
    const first = this.pieces[0] ?? "";
    const probe = this.last(PROBE);
    return text.startsWith(first.slice(0, PROBE)) && text.startsWith(probe, this.size - probe.length);
  }

  private goesOnByItems(text: string[]): boolean {
    if (this.items === 0) return this.size === 0;
    return text.length >= this.items && text[this.items - 1] === this.lastItem;
  }

  private append(text: string): void {
    if (!text) return;
    this.size += text.length;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) this.newlines++;
    const last = this.pieces.length - 1;
    if (last >= 0 && (this.pieces[last]?.length ?? 0) + text.length <= PIECE) this.pieces[last] += text;
    else for (let at = 0; at < text.length; at += PIECE) this.pieces.push(text.slice(at, at + PIECE));
  }

  private last(characters: number): string {
    let found = "";
    for (let at = this.pieces.length - 1; at >= 0 && found.length < characters; at--) found = (this.pieces[at] ?? "") + found;
    return found.slice(-characters);
  }

  get isShort(): boolean {
    return this.size <= WHOLE.characters && this.newlines <= WHOLE.lines;
  }

  whole(): string {
    return this.pieces.join("");
  }

  /** Pieces of about 64 kB from the `from`th on, for those who want all of it. */
  piece(at: number): string | undefined {
    return this.pieces[at];
  }

  /** The first and the last lines of a long text; they never overlap. */
  ends(): Ends {
    let head = (this.pieces[0] ?? "").slice(0, HEAD.characters);
    if (head.length < HEAD.characters && this.pieces.length > 1) head = (head + (this.pieces[1] ?? "")).slice(0, HEAD.characters);
    head = firstLines(head, HEAD.lines);
    const tail = lastLines(this.last(Math.min(TAIL.characters, this.size - head.length)), TAIL.lines);
    return {head, tail};
  }
}

function firstLines(text: string, lines: number): string {
  let at = -1;
  for (let n = 0; n < lines; n++) {
    at = text.indexOf("\n", at + 1);
    if (at < 0) return text;
  }
  return text.slice(0, at + 1);
}

function lastLines(text: string, lines: number): string {
  let at = text.endsWith("\n") ? text.length - 1 : text.length;
  for (let n = 0; n < lines; n++) {
    at = text.lastIndexOf("\n", at - 1);
    if (at <= 0) return text;
  }
  return text.slice(at + 1);
}
