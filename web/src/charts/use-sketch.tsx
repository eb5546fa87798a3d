/** The switch that every chart has: plain, or as if drawn by hand. Never the default. */
import {useState} from "preact/hooks";
import type {Sketch} from "./sketch";

export interface Sketching {
  sketch: Sketch | null;
  /** The switch itself. */
  button: preact.JSX.Element;
}

export function useSketch(): Sketching {
  const [sketch, set] = useState<Sketch | null>(null);
  const toggle = (): void => {
    if (sketch) set(null);
    else void import("./sketch").then((module) => set(module.sketch));
  };
  return {
    sketch,
    button: <button type="button" class="quiet xkcd" aria-pressed={sketch !== null} title="Draw it as if by hand" onClick={toggle}>xkcd</button>,
  };
}
