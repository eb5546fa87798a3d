/** What a kernel's messages make of a cell's outputs: the rules by which the server records them, applied to what is shown. */
import type {Output} from "../../outputs";
import {joined, type OutputMessage} from "./types";

type Loose = Output & Record<string, unknown>;

const idOf = (content: Record<string, unknown>): string | null =>
  ((content["transient"] as Record<string, unknown> | undefined)?.["display_id"] as string | undefined) ?? null;

/** A cell's outputs while they come. */
export class Recorded {
  list: Output[];
  private willClear = false;
  /** display_id → places of its outputs. */
  readonly displays = new Map<string, number[]>();

  constructor(list: Output[] = []) {
    this.list = list;
  }

  clear(): void {
    this.list = [];
    this.willClear = false;
    this.displays.clear();
  }

  /** Applies the message; display updates are the caller's (they may hit any cell). */
  add({type, content}: OutputMessage): void {
    if (type === "clear_output") {
      if (content["wait"]) this.willClear = true;
      else this.clear();
      return;
    }
    if (this.willClear) this.clear();
    if (content["too_large"] !== undefined) {
      this.list.push({output_type: "display_data", data: {}, metadata: {suricate: {too_large: content["too_large"], href: content["href"]}}} as Loose);
      return;
    }
    if (type === "stream") this.stream(String(content["name"] ?? "stdout"), String(content["text"] ?? ""));
    else if (type === "error") {
      this.list.push({output_type: "error", ename: content["ename"] ?? "", evalue: content["evalue"] ?? "", traceback: content["traceback"] ?? []} as Loose);
    } else if (type === "display_data" || type === "execute_result") {
      const display = idOf(content);
      if (display) this.displays.set(display, [...(this.displays.get(display) ?? []), this.list.length]);
      this.list.push({
        output_type: type, data: content["data"] ?? {}, metadata: content["metadata"] ?? {},
        ...(type === "execute_result" ? {execution_count: content["execution_count"] ?? null} : {}),
      } as Loose);
    }
  }

  private stream(name: string, text: string): void {
    const last = this.list.at(-1) as Loose | undefined;
    if (last?.output_type === "stream" && last["name"] === name) {
      this.list[this.list.length - 1] = {...last, text: joined(last["text"] as string) + text} as Loose;
    } else this.list.push({output_type: "stream", name, text} as Loose);
  }

  /** True when the display was shown here. */
  update(content: Record<string, unknown>): boolean {
    const display = idOf(content);
    const places = display ? this.displays.get(display) ?? [] : [];
    for (const place of places) {
      const old = this.list[place];
      if (old) this.list[place] = {...old, data: content["data"] ?? {}, metadata: content["metadata"] ?? {}} as Loose;
    }
    return places.length > 0;
  }
}
