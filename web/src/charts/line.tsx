/** Lines over a common x: few points, drawn as SVG. */
import {compact, dateTime} from "../text";
import type {Sketch} from "./sketch";
import {useSketch} from "./use-sketch";
import "./charts.css";

export interface LineSeries { name: string; values: (number | null)[] }

const W = 720, H = 240, LEFT = 56, RIGHT = 8, BOTTOM = 26, TOP = 8;

type Point = [number, number];

/** Stretches without a hole. */
function stretches(points: (Point | null)[]): Point[][] {
  const found: Point[][] = [[]];
  for (const point of points) {
    if (point) found.at(-1)!.push(point);
    else if (found.at(-1)!.length > 0) found.push([]);
  }
  return found.filter((stretch) => stretch.length > 0);
}

function way(points: (Point | null)[], sketch: Sketch | null): string {
  return stretches(points).map((stretch) => {
    if (sketch && stretch.length > 1) return sketch.way(stretch);
    const [first, ...rest] = stretch.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`);
    return `M${first}${rest.length > 0 ? `L${rest.join("L")}` : "h.1"}`;
  }).join("");
}

export interface LineProps {
  title: string;
  x: number[];
  lines: LineSeries[];
  /** x is milliseconds since 1970. */
  isTime?: boolean;
}

export function Line({title, x, lines, isTime = false}: LineProps) {
  const {sketch, button} = useSketch();
  const all = lines.flatMap((line) => line.values).filter((value): value is number => value !== null);
  const low = Math.min(...all), high = Math.max(...all), span = high - low || 1;
  const first = x[0] ?? 0, last = x.at(-1) ?? 1, width = last - first || 1;
  const down = (value: number): number => TOP + (1 - (value - low) / span) * (H - TOP - BOTTOM);
  const across = (value: number): number => LEFT + ((value - first) / width) * (W - LEFT - RIGHT);
  const points = (values: (number | null)[]): (Point | null)[] =>
    values.map((value, index) => (value === null ? null : [across(x[index] ?? 0), down(value)]));
  const word = isTime ? dateTime : compact;
  return (
    <figure class={`chart ${sketch ? "sketched" : ""}`}>
      <div class="bar apart"><figcaption>{title}</figcaption>{button}</div>
      <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label={`${title}: from ${compact(low)} to ${compact(high)}`}>
        {[low, low + span / 2, low + span].map((value) => (
          <g key={value}>
            <line class="grid-line" x1={LEFT} x2={W - RIGHT} y1={down(value)} y2={down(value)} />
            <text x={LEFT - 6} y={down(value) + 4} text-anchor="end">{compact(value)}</text>
          </g>
        ))}
        <text x={LEFT} y={H - 6}>{word(first)}</text>
        <text x={W - RIGHT} y={H - 6} text-anchor="end">{word(last)}</text>
        {lines.map((line, index) => <path key={line.name} class={`series series-${(index % 6) + 1}`} d={way(points(line.values), sketch)} />)}
      </svg>
      {lines.length > 1 && <ul class="legend">{lines.map(({name}, at) => <li key={name} class={`series-${(at % 6) + 1}`}>{name}</li>)}</ul>}
    </figure>
  );
}
