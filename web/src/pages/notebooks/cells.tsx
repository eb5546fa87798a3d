/** All cells, drawn so that thousands open at once: the first ones, then the rest bit by bit; in full only near the window. */
import {signal, useSignalEffect, type Signal} from "@preact/signals";
import type {VNode} from "preact";
import {useEffect, useMemo, useRef, useState} from "preact/hooks";
import {CellView} from "./cell";
import type {Desk} from "./desk";

const FIRST = 30;
const MORE = 500;
/** Drawn in full from the start, before anything is measured. */
const NEAR_AT_ONCE = 8;

export function Cells({desk}: {desk: Desk}) {
  const order = desk.doc.order.value;
  const [limit, grow] = useState(FIRST);
  const near = useMemo(() => new Near(), []);
  const drawn = useMemo(() => new Map<string, VNode>(), []);
  const list = useRef<HTMLDivElement>(null);
  const drop = useDrop(desk, list);
  useEffect(() => {
    desk.reveal = (id) => {
      const at = desk.order.indexOf(id);
      near.of(id).value = true;
      grow((now) => Math.max(now, at + 20));
    };
    desk.place = (id) => document.querySelector<HTMLElement>(`[data-slot="${id}"]`);
    return () => near.close();
  }, []);
  useEffect(() => {
    if (list.current) near.watch(list.current);
    if (limit >= order.length) return undefined;
    const timer = setTimeout(() => grow(limit + MORE), 30);
    return () => clearTimeout(timer);
  });
  useSignalEffect(() => {
    desk.doc.order.value;
    for (const id of drawn.keys()) if (!desk.doc.cell(id)) drawn.delete(id);
  });
  return (
    <div class="cells" ref={list} {...drop}>
      {order.slice(0, limit).map((id, at) => {
        const cell = desk.doc.cell(id);
        if (!cell) return null;
        const known = drawn.get(id);
        if (known && (known.props as unknown as {cell: unknown}).cell === cell) return known;
        if (at < NEAR_AT_ONCE) near.of(id).value = true;
        const made = <CellView key={id} cell={cell} desk={desk} isNear={near.of(id)} />;
        drawn.set(id, made);
        return made;
      })}
    </div>
  );
}

/** Which cells are, or were, near the window. */
class Near {
  private readonly signals = new Map<string, Signal<boolean>>();
  private readonly seen = new WeakSet<Element>();
  private readonly observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      this.of(entry.target.id.replace("cell-", "")).value = true;
      this.observer.unobserve(entry.target);
    }
  }, {rootMargin: "900px 0px"});

  of(id: string): Signal<boolean> {
    let found = this.signals.get(id);
    if (!found) this.signals.set(id, found = signal(false));
    return found;
  }

  watch(list: HTMLElement): void {
    for (const element of list.getElementsByClassName("far")) {
      if (this.seen.has(element)) continue;
      this.seen.add(element);
      this.observer.observe(element);
    }
  }

  close(): void {
    this.observer.disconnect();
  }
}

/** Cells are dropped between cells. */
function useDrop(desk: Desk, list: {current: HTMLElement | null}) {
  const mark = useRef<HTMLElement | null>(null);
  const unmark = (): void => {
    mark.current?.classList.remove("drop-above", "drop-below");
    mark.current = null;
  };
  const at = (event: DragEvent): {element: HTMLElement; isAbove: boolean} | null => {
    if (!event.dataTransfer?.types.includes("application/x-suricate-cell")) return null;
    const element = (event.target as Element).closest?.<HTMLElement>(".cell");
    if (!element || !list.current?.contains(element)) return null;
    const box = element.getBoundingClientRect();
    return {element, isAbove: event.clientY < box.top + box.height / 2};
  };
  return {
    onDragOver: (event: DragEvent) => {
      const found = at(event);
      if (!found) return;
      event.preventDefault();
      unmark();
      mark.current = found.element;
      found.element.classList.add(found.isAbove ? "drop-above" : "drop-below");
    },
    onDragLeave: unmark,
    onDragEnd: unmark,
    onDrop: (event: DragEvent) => {
      const found = at(event);
      unmark();
      if (!found) return;
      event.preventDefault();
      const id = event.dataTransfer?.getData("application/x-suricate-cell") ?? "";
      const rest = desk.order.filter((other) => other !== id);
      const place = rest.indexOf(found.element.id.replace("cell-", ""));
      if (desk.doc.cell(id) && place >= 0) desk.moveTo(id, found.isAbove ? rest[place - 1] ?? null : rest[place]!);
    },
  };
}
