/** The headings of the text cells. */
import {computed, type ReadonlySignal} from "@preact/signals";
import {useMemo} from "preact/hooks";
import type {Desk} from "./desk";

interface Heading { id: string; level: number; text: string; key: string }

export function headingsOf(id: string, source: string): Heading[] {
  let isFenced = false;
  return source.split("\n").flatMap((line, at) => {
    if (/^\s*(```|~~~)/.test(line)) isFenced = !isFenced;
    const found = isFenced ? null : /^(#{1,6})\s+(.+?)\s*#*$/.exec(line);
    return found ? [{id, level: found[1]!.length, text: found[2]!.replace(/[*_`$]/g, ""), key: `${id}:${at}`}] : [];
  });
}

export function useHeadings(desk: Desk): ReadonlySignal<Heading[]> {
  return useMemo(() => computed(() => desk.doc.order.value.flatMap((id) => {
    const cell = desk.doc.cell(id);
    return cell?.type.value === "markdown" ? headingsOf(id, cell.source.value) : [];
  })), [desk]);
}

export function Outline({desk, headings}: {desk: Desk; headings: ReadonlySignal<Heading[]>}) {
  return (
    <nav class="outline" aria-label="Outline">
      <h2>Outline</h2>
      {headings.value.length === 0
        ? <p class="soft small">Headings of text cells are listed here. Press m for a text cell, then 1 for a heading.</p>
        : <ul>{headings.value.map((heading) => (
            <li key={heading.key}><button class={`quiet level-${heading.level}`} onClick={() => desk.select(heading.id)}>{heading.text}</button></li>
          ))}</ul>}
    </nav>
  );
}
