/** Lines over a common x: few points, drawn as SVG. */
import {compact} from "../text";
import "./charts.css";

export interface LineSeries { name: string; values: (number | null)[] }

const W = 720, H = 220, LEFT = 52, BOTTOM = 12, TOP = 8;

export function Line({title, x, lines}: {title: string; x: number[]; lines: LineSeries[]}) {
  const all = lines.flatMap((line) => line.values).filter((value): value is number => value !== null);
  const low = Math.min(...all), high = Math.max(...all), span = high - low || 1;
  const first = x[0] ?? 0, width = (x.at(-1) ?? 1) - first || 1;
  const down = (value: number): number => TOP + (1 - (value - low) / span) * (H - TOP - BOTTOM);
  const across = (value: number): number => LEFT + ((value - first) / width) * (W - LEFT - 8);
  const path = (values: (number | null)[]): string => {
    let pen = "M";
    return values.map((value, index) => {
      const command = value === null ? "" : `${pen}${across(x[index] ?? 0).toFixed(1)} ${down(value).toFixed(1)}`;
      pen = value === null ? "M" : "L";
      return command;
    }).join("");
  };
  return (
    <figure class="chart">
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label={`${title}: from ${compact(low)} to ${compact(high)}`}>
        {[low, low + span / 2, low + span].map((value) => (
          <g key={value}>
            <line class="grid-line" x1={LEFT} x2={W - 8} y1={down(value)} y2={down(value)} />
            <text x={LEFT - 6} y={down(value) + 4} text-anchor="end">{compact(value)}</text>
          </g>
        ))}
        {lines.map((line, index) => <path key={line.name} class={`series series-${(index % 6) + 1}`} d={path(line.values)} />)}
      </svg>
      {lines.length > 1 && <ul class="legend">{lines.map(({name}, at) => <li key={name} class={`series-${(at % 6) + 1}`}>{name}</li>)}</ul>}
    </figure>
  );
}
