/**
 * What was typed and is not yet on the server, kept in the browser so that a crash of the tab loses nothing. A draft belongs to
 * one tab while that tab lives (a lock says so); whoever opens the notebook next takes over those of the dead.
 */
import type {Edit} from "./types";

export interface Draft {
  at: number;
  /** The text, and the server's text that it was made from. */
  cells: Record<string, {source: string; base: string}>;
  /** Cells that the server has not heard of yet. */
  inserts: Extract<Edit, {op: "insert"}>[];
}

const start = (name: string): string => `suricate.draft.${name}\n`;
const WITHOUT_LOCKS_MS = 20_000;

export class Drafts {
  private readonly key: string;
  private release: (() => void) | null = null;

  constructor(private readonly name: string, client: string) {
    this.key = start(name) + client;
    void navigator.locks?.request(this.key, () => new Promise<void>((resolve) => (this.release = resolve)));
  }

  keep(draft: Draft | null): void {
    try {
      if (draft) localStorage.setItem(this.key, JSON.stringify(draft));
      else localStorage.removeItem(this.key);
    } catch {
      // full or forbidden: the server has it in a moment
    }
  }

  /** Drafts whose tabs are gone; they are this tab's now. */
  async orphans(): Promise<Draft[]> {
    const held = new Set((await navigator.locks?.query())?.held?.map((lock) => lock.name));
    const found: Draft[] = [];
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(start(this.name)) || key === this.key || held.has(key)) continue;
      try {
        const draft = JSON.parse(localStorage.getItem(key) ?? "") as Draft;
        if (!navigator.locks && Date.now() - draft.at < WITHOUT_LOCKS_MS) continue;
        found.push(draft);
      } catch {
        // not one of ours
      }
      localStorage.removeItem(key);
    }
    return found.sort((a, b) => a.at - b.at);
  }

  close(): void {
    this.release?.();
  }
}
