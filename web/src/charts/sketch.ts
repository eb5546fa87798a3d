/** Charts as if drawn by hand (after xkcd). Loaded only when somebody asks for it. */
import {RoughGenerator} from "roughjs/bin/generator";
import type uPlot from "uplot";

export interface Sketch {
  paths: uPlot.Series.PathBuilder;
  /** A hand-drawn way through these points, as SVG's path data. */
  way: (points: [number, number][]) => string;
}

const POINTS_MAX = 160;
const rough = new RoughGenerator();

/** The same points give the same wobble, so that a redraw does not tremble. */
function way(points: [number, number][]): string {
  const every = Math.max(1, Math.ceil(points.length / POINTS_MAX));
  const some = points.filter((_, at) => at % every === 0 || at === points.length - 1);
  if (some.length < 2) return "";
  const drawn = rough.curve(some, {roughness: 1.1, bowing: 0.6, seed: 7, disableMultiStroke: true});
  return rough.toPaths(drawn).map((path) => path.d).join(" ");
}

export const sketch: Sketch = {
  way,
  paths: (plot, at, first, last) => {
    const points: [number, number][] = [];
    const x = plot.data[0], y = plot.data[at];
    const scale = plot.series[at]?.scale ?? "y";
    for (let i = first; y && i <= last; i++) {
      const value = y[i];
      if (value !== null && value !== undefined) points.push([plot.valToPos(x[i]!, "x", true), plot.valToPos(value, scale, true)]);
    }
    return {stroke: new Path2D(way(points)), flags: 0};
  },
};
