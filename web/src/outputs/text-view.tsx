/** Text of any length: printed lines, plain values. Built of text nodes; what it says is never markup. */
import {useLayoutEffect, useRef} from "preact/hooks";
import {bytes, count} from "../text";
import {AnsiWriter, overwritten} from "./ansi";
import {TextLog} from "./log";
import type {Lines} from "./types";

/** Blocks drawn each frame when all of a long text is asked for. */
const BLOCKS_A_FRAME = 8;

class TextView {
  private log = new TextLog();
  private frame = 0;
  private latest: Lines = "";
  private shown: "nothing" | "short" | "ends" | "all" = "nothing";
  private head = document.createElement("pre");
  private gap = document.createElement("div");
  private tail = document.createElement("pre");
  private button = document.createElement("button");
  private all = document.createElement("div");
  private allWriter = new AnsiWriter();
  private blocks = 0;
  private lastLength = 0;
  /** The short text as it was drawn, when plain text can simply be appended to it. */
  private drawn: string | null = null;

  constructor(private place: HTMLElement) {
    this.button.className = "quiet";
    this.button.type = "button";
    this.button.onclick = () => this.showAll();
    this.gap.className = "out-gap";
    this.gap.append(this.button);
    this.all.className = "out-all";
  }

  /** The first text is drawn at once; what comes later once a frame, however often it comes. */
  update(text: Lines): void {
    this.latest = text;
    if (this.shown === "nothing") this.draw();
    else this.frame ||= requestAnimationFrame(() => this.draw());
  }

  close(): void {
    cancelAnimationFrame(this.frame);
  }

  private draw(): void {
    this.frame = 0;
    if (!this.log.take(this.latest)) this.shown = "nothing";
    if (this.shown === "all") this.growAll();
    else if (this.log.isShort) this.drawShort();
    else this.drawEnds();
  }

  private drawShort(): void {
    const text = this.log.whole();
    const added = this.shown === "short" && this.drawn !== null && text.startsWith(this.drawn) ? text.slice(this.drawn.length) : null;
    const isPlain = !/[\x00-\x08\x0b-\x1f\x7f]/.test(added ?? text);
    if (added !== null && isPlain) {
      if (added) this.head.append(document.createTextNode(added));
    } else {
      this.head.replaceChildren();
      new AnsiWriter().write(this.head, overwritten(text));
    }
    this.drawn = isPlain ? text : null;
    if (this.shown !== "short") this.place.replaceChildren(this.head);
    this.shown = "short";
  }

  private drawEnds(): void {
    const {head, tail} = this.log.ends();
    if (this.shown !== "ends") {
      this.head.replaceChildren();
      new AnsiWriter().write(this.head, overwritten(head));
      this.place.replaceChildren(this.head, this.gap, this.tail);
    }
    const lines = this.log.lines;
    this.button.textContent = lines > 20 ? `Show all ${count(lines)} lines (${bytes(this.log.size)})` : `Show all (${bytes(this.log.size)})`;
    this.tail.replaceChildren();
    new AnsiWriter().write(this.tail, overwritten(tail));
    this.shown = "ends";
  }

  private showAll(): void {
    this.shown = "all";
    this.blocks = this.lastLength = 0;
    this.allWriter = new AnsiWriter();
    this.all.replaceChildren();
    this.place.replaceChildren(this.all);
    this.all.tabIndex = -1;
    this.all.focus({preventScroll: true});
    this.growAll();
  }

  /** One block a piece; the last one is drawn again when it grew. Blocks out of sight are not laid out (content-visibility). */
  private growAll(): void {
    if (this.blocks > 0 && (this.log.piece(this.blocks - 1)?.length ?? 0) > this.lastLength) {
      this.all.lastElementChild?.remove();
      this.blocks--;
    }
    for (let n = 0; n < BLOCKS_A_FRAME; n++) {
      const text = this.log.piece(this.blocks);
      if (text === undefined) return;
      const block = document.createElement("pre");
      this.allWriter.write(block, overwritten(text));
      block.style.containIntrinsicBlockSize = `auto ${Math.round(1.45 * 13 * Math.max(text.split("\n").length, text.length / 150))}px`;
      this.all.append(block);
      this.blocks++;
      this.lastLength = text.length;
    }
    this.frame ||= requestAnimationFrame(() => this.draw());
  }
}

/** `kind` names a stream; stderr is marked by words, not by its colour alone. */
export function Text({text, kind = ""}: {text: Lines; kind?: string}) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<TextView | null>(null);
  useLayoutEffect(() => {
    if (!place.current) return;
    view.current ??= new TextView(place.current);
    view.current.update(text);
  });
  useLayoutEffect(() => () => view.current?.close(), []);
  if (kind !== "stderr") return <div class="out-text" ref={place} />;
  return (
    <div class="out-stderr">
      <span class="out-label">stderr</span>
      <div class="out-text" ref={place} />
    </div>
  );
}
