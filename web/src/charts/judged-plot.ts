/**
 * uPlot for what a watch sees: a value in the band of what is normal, and below it the score, with levels over one of the two.
 *
 * Levels are lines that can be dragged or moved by the arrow keys (each is a slider); a range that is dragged over is told.
 * Loaded when such a chart is shown.
 */
import uPlot from "uplot";
import type {Level} from "../api/acting";
import {nines, ofNines, scoreText} from "./rarity";
import {colour, faint, themeKey} from "./theme";
import {TIMES} from "./times";

type Numbers = (number | null)[];
export interface Judged {
  x: number[];
  values: Numbers;
  expected: Numbers;
  low: Numbers;
  high: Numbers;
  scores: Numbers;
}
export interface LevelLine {
  level: Level;
  enter: number;
  leave: number | null;
  isBelow: boolean;
}
/** A decision on the value's line; "gone": the changed definition makes it no more, "new": only it makes it. */
export interface Mark {
  at_ms: number;
  level: string;
  kind: "plain" | "new" | "gone";
}
export interface JudgedLook {
  levels: LevelLine[];
  on: "score" | "value";
  marks: Mark[];
  selection: [from_ms: number, to_ms: number] | null;
  range: [from_ms: number, to_ms: number];
}
export interface JudgedEvents {
  select: (from_ms: number, to_ms: number) => void;
  /** null: levels stay where they are. */
  move: ((level: Level, enter: number) => void) | null;
}

const VALUE_HEIGHT = 240;
const SCORE_HEIGHT = 170;
const AXIS = 70;
const PAD_RIGHT = 14;
const MINOR_STEP = 0.05;

type Colours = Record<"ink" | "soft" | "line" | "accent" | "card" | "info" | "warning" | "critical" | "ok", string>;

export class JudgedPlot {
  private value: uPlot | null = null;
  private score: uPlot | null = null;
  private made = "";
  private data: Judged = {x: [], values: [], expected: [], low: [], high: [], scores: []};
  private look: JudgedLook = {levels: [], on: "score", marks: [], selection: null, range: [0, 1]};
  private colours!: Colours;
  private handles = new Map<Level, HTMLElement>();
  private held: Level | null = null;

  constructor(
    private readonly valueBox: HTMLElement,
    private readonly scoreBox: HTMLElement,
    public events: JudgedEvents,
  ) {}

  draw(data: Judged, look: JudgedLook): void {
    this.data = data;
    this.look = look;
    const wanted = JSON.stringify([themeKey(), look.on, look.levels.map(({level}) => level), this.events.move !== null]);
    if (wanted !== this.made) this.make(wanted);
    this.value?.setData([data.x, data.low, data.high, data.expected, data.values]);
    this.score?.setData([data.x, data.scores.map((score) => (score === null ? null : nines(score)))]);
  }

  resize(): void {
    const width = this.valueBox.clientWidth;
    if (!this.value || width === 0 || width === this.value.width) return;
    this.value.setSize({width, height: VALUE_HEIGHT});
    this.score?.setSize({width, height: SCORE_HEIGHT});
  }

  done(): void {
    this.value?.destroy();
    this.score?.destroy();
    this.value = this.score = null;
  }

  private make(wanted: string): void {
    this.done();
    this.made = wanted;
    this.handles.clear();
    const of = (name: string): string => colour(this.valueBox, name);
    this.colours = {
      ink: of("--ink"),
      soft: of("--soft"),
      line: of("--line"),
      accent: of("--series-1"),
      card: of("--card"),
      info: of("--blue"),
      warning: of("--sun"),
      critical: of("--bad"),
      ok: of("--good"),
    };
    this.value = new uPlot(this.valueOptions(), [[], [], [], [], []], this.valueBox);
    this.score = new uPlot(this.scoreOptions(), [[], []], this.scoreBox);
    const plot = this.look.on === "value" ? this.value : this.score;
    for (const {level} of this.look.levels) this.handles.set(level, this.handle(plot, level));
  }

  private common(height: number): Omit<uPlot.Options, "series" | "axes" | "scales"> {
    return {
      width: Math.max(200, this.valueBox.clientWidth),
      height,
      pxAlign: 0,
      legend: {show: false},
      padding: [10, PAD_RIGHT, 0, 0],
      cursor: {drag: {x: true, y: false, setScale: false}, points: {size: 7}, sync: {key: "judged"}},
      hooks: {setSelect: [(plot) => this.selected(plot)], drawClear: [(plot) => this.drawUnder(plot)], draw: [(plot) => this.drawOver(plot)]},
    };
  }

  private axis(): uPlot.Axis {
    const {soft, line} = this.colours;
    return {stroke: soft, font: "12px system-ui, sans-serif", grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}};
  }

  private range = (): [number, number] => [this.look.range[0] / 1000, this.look.range[1] / 1000];

  private valueOptions(): uPlot.Options {
    const {soft, accent, ink} = this.colours;
    const edge: uPlot.Series = {stroke: "transparent", width: 0, points: {show: false}};
    return {
      ...this.common(VALUE_HEIGHT),
      series: [
        {},
        {...edge, label: "low"},
        {...edge, label: "high"},
        {label: "expected", stroke: soft, width: 1, dash: [4, 4], points: {show: false}},
        {label: "value", stroke: ink, width: 1.6, points: {show: (plot) => plot.data[0].length < 60, size: 5}},
      ],
      bands: [{series: [2, 1], fill: faint(accent, 0.2)}],
      axes: [
        {...this.axis(), ticks: {show: false}, values: (_plot, splits) => splits.map(() => ""), space: 86, size: 6},
        {...this.axis(), size: AXIS},
      ],
      scales: {x: {time: true, range: this.range}, y: {range: (_plot, low, high) => this.valueRange(low, high)}},
    };
  }

  private valueRange(low: number | null, high: number | null): [number, number] {
    const bounds = this.look.on === "value" ? this.look.levels.map((one) => one.enter) : [];
    const first = Math.min(low ?? 0, ...bounds);
    const last = Math.max(high ?? 1, ...bounds);
    const pad = (last - first || Math.abs(last) || 1) * 0.08;
    return [first - pad, last + pad];
  }

  private scoreOptions(): uPlot.Options {
    const {accent} = this.colours;
    return {
      ...this.common(SCORE_HEIGHT),
      series: [{}, {label: "score", stroke: accent, width: 1.4, fill: faint(accent, 0.12), points: {show: false}}],
      axes: [
        {...this.axis(), values: TIMES as uPlot.Axis.Values, space: 86},
        {...this.axis(), size: AXIS, splits: () => [0, 1, 2, 3, 4, 5, 6], values: (_plot, splits) => splits.map((at) => scoreText(ofNines(at)))},
      ],
      scales: {
        x: {time: true, range: this.range},
        y: {range: (_plot, _low, high) => [0, Math.min(6.2, Math.max(4.3, (high ?? 0) + 0.2, ...this.onScore().map((at) => at + 0.3)))]},
      },
    };
  }

  private onScore(): number[] {
    return this.look.on === "score" ? this.look.levels.map((one) => nines(one.enter)) : [];
  }

  private isLevelled(plot: uPlot): boolean {
    return plot === (this.look.on === "value" ? this.value : this.score);
  }

  private at(enter: number): number {
    return this.look.on === "value" ? enter : nines(enter);
  }

  /** The chosen range and the levels' bands, below all else. */
  private drawUnder(plot: uPlot): void {
    const {ctx, bbox} = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (this.look.selection) {
      const [from, to] = this.look.selection.map((at) => plot.valToPos(at / 1000, "x", true)) as [number, number];
      ctx.fillStyle = faint(this.colours.accent, 0.13);
      ctx.fillRect(from, bbox.top, Math.max(1, to - from), bbox.height);
    }
    if (this.isLevelled(plot)) {
      const sorted = [...this.look.levels].sort((a, b) => (a.isBelow ? b.enter - a.enter : a.enter - b.enter));
      sorted.forEach((one, place) => {
        const next = sorted[place + 1];
        const y = plot.valToPos(this.at(one.enter), "y", true);
        const end = next ? plot.valToPos(this.at(next.enter), "y", true) : one.isBelow ? bbox.top + bbox.height : bbox.top;
        ctx.fillStyle = faint(this.colours[one.level], 0.14);
        ctx.fillRect(bbox.left, Math.min(y, end), bbox.width, Math.abs(y - end));
      });
    }
    ctx.restore();
  }

  /** Levels' lines, and decisions on the value's line. */
  private drawOver(plot: uPlot): void {
    const {ctx, bbox} = plot;
    const pixel = devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - 4 * pixel, bbox.width, bbox.height + 8 * pixel);
    ctx.clip();
    if (this.isLevelled(plot)) {
      for (const one of this.look.levels) {
        this.line(plot, this.at(one.enter), this.colours[one.level], 1.6, []);
        if (one.leave !== null && one.leave !== one.enter) this.line(plot, this.at(one.leave), faint(this.colours[one.level], 0.7), 1, [2, 4]);
      }
    }
    if (this.isLevelled(plot)) this.place();
    if (plot === this.value) for (const mark of this.look.marks) this.mark(plot, mark, pixel);
    ctx.restore();
  }

  private line(plot: uPlot, value: number, stroke: string, width: number, dash: number[]): void {
    const {ctx, bbox} = plot;
    const pixel = devicePixelRatio;
    const y = plot.valToPos(value, "y", true);
    ctx.beginPath();
    ctx.setLineDash(dash.map((one) => one * pixel));
    ctx.strokeStyle = stroke;
    ctx.lineWidth = width * pixel;
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
  }

  private mark(plot: uPlot, mark: Mark, pixel: number): void {
    const {ctx} = plot;
    const place = this.nearest(mark.at_ms / 1000);
    const value = place === null ? null : (this.data.values[place] ?? null);
    const x = plot.valToPos(place === null ? mark.at_ms / 1000 : (this.data.x[place] ?? 0), "x", true);
    const y = value === null ? plot.bbox.top + 8 * pixel : plot.valToPos(value, "y", true);
    const size = 5.5 * pixel;
    ctx.lineWidth = 2 * pixel;
    ctx.strokeStyle = mark.kind === "gone" ? this.colours.soft : (this.colours[mark.level as Level] ?? this.colours.ok);
    ctx.fillStyle = mark.kind === "plain" ? ctx.strokeStyle : this.colours.card;
    ctx.beginPath();
    if (mark.kind === "gone") {
      ctx.moveTo(x - size, y - size);
      ctx.lineTo(x + size, y + size);
      ctx.moveTo(x + size, y - size);
      ctx.lineTo(x - size, y + size);
      ctx.stroke();
      return;
    }
    ctx.arc(x, y, mark.kind === "new" ? size * 1.2 : size, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
  }

  private nearest(x: number): number | null {
    const {x: all} = this.data;
    if (all.length === 0) return null;
    let low = 0,
      high = all.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((all[middle] ?? 0) < x) low = middle + 1;
      else high = middle;
    }
    return low > 0 && Math.abs((all[low - 1] ?? 0) - x) < Math.abs((all[low] ?? 0) - x) ? low - 1 : low;
  }

  private selected(plot: uPlot): void {
    const {left, width} = plot.select;
    if (width < 4) return;
    const from = plot.posToVal(left, "x");
    const to = plot.posToVal(left + width, "x");
    plot.setSelect({left: 0, top: 0, width: 0, height: 0}, false);
    this.events.select(Math.floor(from * 1000), Math.ceil(to * 1000));
  }

  /** A slider over the line of a level. */
  private handle(plot: uPlot, level: Level): HTMLElement {
    const element = document.createElement("div");
    element.className = `judged-handle act-level act-${level}`;
    element.textContent = level;
    if (this.events.move) {
      element.tabIndex = 0;
      element.setAttribute("role", "slider");
      element.setAttribute("aria-orientation", "vertical");
      element.setAttribute("aria-label", `${level} begins at`);
      element.addEventListener("keydown", (event) => this.pressed(event, level));
      element.addEventListener("pointerdown", (event) => {
        element.setPointerCapture(event.pointerId);
        this.held = level;
      });
      element.addEventListener("pointermove", (event) => {
        if (this.held === level) this.moved(level, plot.posToVal(event.clientY - plot.over.getBoundingClientRect().top, "y"));
      });
      const end = (): void => void (this.held = null);
      element.addEventListener("pointerup", end);
      element.addEventListener("pointercancel", end);
    }
    for (const kind of ["mousedown", "mousemove", "mouseup", "dblclick"]) element.addEventListener(kind, (event) => event.stopPropagation());
    plot.over.append(element);
    return element;
  }

  private pressed(event: KeyboardEvent, level: Level): void {
    const plot = this.look.on === "value" ? this.value : this.score;
    const now = this.look.levels.find((one) => one.level === level);
    const steps = {ArrowUp: 1, ArrowRight: 1, PageUp: 10, ArrowDown: -1, ArrowLeft: -1, PageDown: -10}[event.key];
    if (!plot || !now || steps === undefined) return;
    event.preventDefault();
    const step = this.look.on === "score" ? MINOR_STEP : ((plot.scales["y"]?.max ?? 1) - (plot.scales["y"]?.min ?? 0)) / 100;
    this.moved(level, this.at(now.enter) + steps * step);
  }

  private moved(level: Level, at: number): void {
    const enter = this.look.on === "value" ? Number(at.toPrecision(4)) : Number(ofNines(Math.max(0.01, at)).toFixed(Math.ceil(Math.max(0, at)) + 2));
    this.events.move?.(level, enter);
  }

  /** Handles follow their lines, whose place is only known when they are drawn. */
  private place(): void {
    const plot = this.look.on === "value" ? this.value : this.score;
    for (const {level, enter} of this.look.levels) {
      const element = this.handles.get(level);
      if (!element || !plot) continue;
      element.style.top = `${Math.max(0, Math.min(plot.over.clientHeight, plot.valToPos(this.at(enter), "y")))}px`;
      if (this.events.move === null) continue;
      element.setAttribute("aria-valuenow", String(enter));
      element.setAttribute("aria-valuetext", this.look.on === "score" ? scoreText(enter) : String(enter));
      element.setAttribute("aria-valuemin", this.look.on === "score" ? "0" : String(plot.scales["y"]?.min ?? 0));
      element.setAttribute("aria-valuemax", this.look.on === "score" ? "1" : String(plot.scales["y"]?.max ?? 1));
    }
  }
}
