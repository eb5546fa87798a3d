/** How much an SVG would draw, found by reading it, not by drawing it. */
import {unstyled} from "./unstyled";

const LONGEST = 4_000_000;
const MOST_ELEMENTS = 60_000;
const COSTLY = "filter, pattern, mask, foreignObject, feTurbulence, animate, animateTransform, animateMotion, set, image";

function parsed(svg: string): Document | null {
  const read = new DOMParser().parseFromString(unstyled(svg).replace(/<(\/?)style\b/gi, "<$1x-style"), "image/svg+xml");
  return read.querySelector("parsererror") ? null : read;
}

/** Too long, with entities, with costly effects, or with references that multiply. */
export function isHeavy(svg: string): boolean {
  if (svg.length > LONGEST || /<!ENTITY/i.test(svg)) return true;
  const read = parsed(svg);
  if (!read) return false; // damaged: the picture says so
  const uses = read.querySelectorAll("use");
  if (read.querySelectorAll(COSTLY).length > 30) return true;
  const known = new Map<Element, number>();
  const weigh = (element: Element, depth: number): number => {
    const before = known.get(element);
    if (before !== undefined) return before;
    if (depth > 60) return Infinity;
    let weight = 1;
    for (const child of element.children) weight += weigh(child, depth + 1);
    if (element.nodeName.toLowerCase() === "use") {
      const id = (element.getAttribute("href") ?? element.getAttributeNS("http://www.w3.org/1999/xlink", "href") ?? "").replace(/^#/, "");
      const target = id ? read.getElementById(id) : null;
      if (target) weight += target.contains(element) ? Infinity : weigh(target, depth + 1);
    }
    known.set(element, weight);
    return weight;
  };
  return uses.length > 0 && weigh(read.documentElement, 0) > MOST_ELEMENTS;
}

const UNITS: Record<string, number> = {"": 1, px: 1, pt: 4 / 3, in: 96, cm: 96 / 2.54, mm: 9.6 / 2.54, pc: 16};

function length(text: string | null): number | undefined {
  const found = /^\s*([\d.]+)\s*([a-z]*)\s*$/.exec(text ?? "");
  const value = found ? Number(found[1]) * (UNITS[found[2] ?? ""] ?? NaN) : NaN;
  return value > 0 && value < 20_000 ? Math.round(value) : undefined;
}

/** Its own size, from its attributes or its view box. */
export function sizeOf(svg: string): {width: number; height: number} | null {
  const head = /<svg[^>]*>/i.exec(svg.slice(0, 20_000))?.[0] ?? "";
  const attribute = (name: string): string | null => new RegExp(`\\s${name}\\s*=\\s*["']([^"']*)["']`, "i").exec(head)?.[1] ?? null;
  const box = (attribute("viewBox") ?? "").trim().split(/[\s,]+/).map(Number);
  const width = length(attribute("width")), height = length(attribute("height"));
  if (width && height) return {width, height};
  const [, , boxWidth = 0, boxHeight = 0] = box;
  if (!(boxWidth > 0 && boxHeight > 0)) return null;
  if (width) return {width, height: Math.round((width * boxHeight) / boxWidth)};
  return {width: Math.round(Math.min(boxWidth, 4000)), height: Math.round(Math.min(boxWidth, 4000) * (boxHeight / boxWidth))};
}
