/** Finds in all cells, replaces one or all. */
import {useEffect, useRef, useState} from "preact/hooks";
import {plural} from "../../text";
import type {Desk} from "./desk";

interface Hit { id: string; from: number; to: number }
const MOST = 10_000;

function pattern(text: string, isExact: boolean, isRegex: boolean): RegExp | null {
  try {
    return text === "" ? null : new RegExp(isRegex ? text : text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), isExact ? "g" : "gi");
  } catch {
    return null;
  }
}

function hitsOf(desk: Desk, wanted: RegExp | null): Hit[] {
  const hits: Hit[] = [];
  if (!wanted) return hits;
  for (const id of desk.order) {
    for (const found of desk.doc.cell(id)!.source.value.matchAll(wanted)) {
      if (found[0] !== "") hits.push({id, from: found.index, to: found.index + found[0].length});
      if (hits.length >= MOST) return hits;
    }
  }
  return hits;
}

export function Find({desk}: {desk: Desk}) {
  const [text, type] = useState("");
  const [other, replaceBy] = useState("");
  const [isExact, exact] = useState(false);
  const [isRegex, regex] = useState(false);
  const [at, go] = useState(-1);
  const field = useRef<HTMLInputElement>(null);
  const wanted = pattern(text, isExact, isRegex);
  const hits = hitsOf(desk, wanted);
  useEffect(() => field.current?.focus(), []);
  const show = (to: number): void => {
    const index = hits.length === 0 ? -1 : (to + hits.length) % hits.length;
    go(index);
    const hit = hits[index];
    if (!hit) return;
    desk.select(hit.id);
    setTimeout(() => {
      const cell = desk.doc.cell(hit.id);
      const place = desk.place(hit.id);
      if (cell && place) desk.editors?.mount(cell, place).select(hit.from, hit.to);
      field.current?.focus();
    }, 0);
  };
  const swapped = (id: string, from: number, to: number): string => {
    const source = desk.doc.cell(id)!.source.peek();
    const one = source.slice(from, to);
    const made = isRegex && wanted ? one.replace(new RegExp(wanted.source, wanted.flags.replace("g", "")), other) : other;
    return source.slice(0, from) + made + source.slice(to);
  };
  const replaceOne = (): void => {
    const hit = hits[Math.max(at, 0)];
    if (hit) desk.doc.type(hit.id, swapped(hit.id, hit.from, hit.to));
  };
  const replaceAll = (): void => {
    for (const hit of [...hits].reverse()) desk.doc.type(hit.id, swapped(hit.id, hit.from, hit.to));
  };
  const close = (): void => {
    desk.panel.value = null;
    desk.select(desk.selected.peek());
  };
  return (
    <form class="find card" role="search" aria-label="Find in the notebook" onSubmit={(event) => (event.preventDefault(), show(at + 1))}
      onKeyDown={(event) => event.key === "Escape" && (event.preventDefault(), close())}>
      <input ref={field} aria-label="Find" placeholder="Find" value={text} onInput={(event) => (type(event.currentTarget.value), go(-1))}
        onKeyDown={(event) => event.key === "Enter" && event.shiftKey && (event.preventDefault(), show(at - 1))} />
      <span class="soft small" role="status">
        {text === "" ? "" : !wanted ? "not a pattern" : hits.length === 0 ? "nothing" : at >= 0 ? `${at + 1} of ${hits.length}` : plural(hits.length, "place")}
      </span>
      <button type="button" class="quiet" aria-label="Previous" onClick={() => show(at - 1)}>↑</button>
      <button class="quiet" aria-label="Next">↓</button>
      <input aria-label="Replace by" placeholder="Replace by" value={other} onInput={(event) => replaceBy(event.currentTarget.value)} />
      <button type="button" class="quiet" disabled={hits.length === 0} onClick={replaceOne}>Replace</button>
      <button type="button" class="quiet" disabled={hits.length === 0} onClick={replaceAll}>Replace all</button>
      <label class="check small"><input type="checkbox" checked={isExact} onChange={(event) => exact(event.currentTarget.checked)} />Aa</label>
      <label class="check small"><input type="checkbox" checked={isRegex} onChange={(event) => regex(event.currentTarget.checked)} />.*</label>
      <button type="button" class="quiet" aria-label="Close find" onClick={close}>×</button>
    </form>
  );
}
