/** uPlot for live series: a line of last values in a band from least to greatest. Loaded when a live chart is shown. */
import uPlot from "uplot";
import type {Aligned} from "./series";
import type {Sketch} from "./sketch";
import {colour, faint, themeKey} from "./theme";
import {TIMES} from "./times";

export interface PlotLook {
  /** Names of the lines, in the order of the data. */
  names: string[];
  hidden: ReadonlySet<string>;
  hasBands: boolean;
  sketch: Sketch | null;
}

const HEIGHT = 280;
const DASHES: number[][] = [[], [7, 4], [2, 3]];
export const COLOURS = 6;

/** One chart in `element`. Whoever owns it calls draw, and done at the end. */
export class Plot {
  private plot: uPlot | null = null;
  private made = "";
  private range: [number, number] | null = null;

  constructor(private readonly element: HTMLElement, private readonly zoom: (from_ms: number, to_ms: number) => void) {}

  /** `from_ms`, `to_ms`: what the axis of time shows. */
  draw(data: Aligned, look: PlotLook, from_ms: number | null, to_ms: number | null): void {
    const wanted = JSON.stringify([look.names, [...look.hidden], look.hasBands, look.sketch !== null, themeKey()]);
    this.range = from_ms !== null && to_ms !== null && to_ms > from_ms ? [from_ms / 1000, to_ms / 1000] : null;
    const columns = [data.x, ...data.values] as uPlot.AlignedData;
    if (wanted !== this.made) {
      this.plot?.destroy();
      this.plot = new uPlot(this.options(look), columns, this.element);
      this.made = wanted;
      return;
    }
    this.plot?.setData(columns);
  }

  resize(): void {
    const width = this.element.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({width, height: HEIGHT});
  }

  done(): void {
    this.plot?.destroy();
    this.plot = null;
  }

  private options(look: PlotLook): uPlot.Options {
    const ink = colour(this.element, "--soft"), line = colour(this.element, "--line");
    const font = look.sketch ? '13px "Humor Sans", "Comic Neue", "Comic Sans MS", cursive' : '12px system-ui, sans-serif';
    const axis = {stroke: ink, font, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};
    const series: uPlot.Series[] = [{}], bands: uPlot.Band[] = [];
    look.names.forEach((name, at) => {
      const stroke = colour(this.element, `--series-${(at % COLOURS) + 1}`), show = !look.hidden.has(name);
      const edge: uPlot.Series = {show: show && look.hasBands, stroke: "transparent", width: 0, spanGaps: true, points: {show: false}};
      series.push({...edge, label: `${name}, least`}, {...edge, label: `${name}, greatest`}, {
        label: name, show, stroke, width: look.sketch ? 2.2 : 1.6, spanGaps: true, dash: DASHES[Math.floor(at / COLOURS) % DASHES.length],
        points: {show: (plot) => plot.data[0].length < 60, size: 5}, ...(look.sketch ? {paths: look.sketch.paths} : {}),
      });
      if (look.hasBands && show) bands.push({series: [at * 3 + 2, at * 3 + 1], fill: faint(stroke)});
    });
    return {
      width: Math.max(200, this.element.clientWidth), height: HEIGHT, series, bands, pxAlign: 0, legend: {show: false},
      axes: [{...axis, values: TIMES as uPlot.Axis.Values, space: 86}, {...axis, size: 58}],
      scales: {x: {time: true, range: (_plot, low, high) => this.range ?? [low, high]}},
      cursor: {drag: {x: true, y: false, setScale: false}, points: {size: 7}},
      hooks: {setSelect: [(plot) => this.selected(plot)]},
    };
  }

  private selected(plot: uPlot): void {
    const {left, width} = plot.select;
    if (width < 4) return;
    const from = plot.posToVal(left, "x"), to = plot.posToVal(left + width, "x");
    plot.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
    this.zoom(Math.floor(from * 1000), Math.ceil(to * 1000));
  }
}
