/** One metric over a model's versions; the live one and the candidate are marked. */
import type {ModelInfo} from "../../api/acting";
import {figure} from "../processing/words";

const W = 640;
const H = 150;
const LEFT = 54;
const RIGHT = 20;
const TOP = 16;
const BOTTOM = 28;

export function MetricChart({model, metric}: {model: ModelInfo; metric: string}) {
  const points = model.versions
    .filter((one) => typeof one.metrics?.[metric] === "number")
    .sort((a, b) => a.version - b.version)
    .map((one) => ({...one, value: one.metrics[metric] ?? 0}));
  if (points.length === 0) return null;
  const values = points.map((one) => one.value);
  const bound = model.promotion?.metric === metric ? model.promotion.at_least : undefined;
  const low = Math.min(...values, bound ?? values[0]!);
  const high = Math.max(...values, bound ?? values[0]!);
  const span = high - low || Math.abs(high) || 1;
  const x = (at: number): number => (points.length === 1 ? (LEFT + W - RIGHT) / 2 : LEFT + (at / (points.length - 1)) * (W - LEFT - RIGHT));
  const y = (value: number): number => TOP + (1 - (value - low) / span) * (H - TOP - BOTTOM);
  const step = Math.ceil(points.length / 12);
  return (
    <svg
      class="act-metric"
      viewBox={`0 0 ${W} ${H}`}
      role="img"
      aria-label={`${metric} by version: ${points.map((one) => `${one.version}: ${figure(one.value)}`).join(", ")}`}>
      {[low, high].map((value, at) => (
        <g key={at}>
          <line class="grid-line" x1={LEFT} x2={W - RIGHT} y1={y(value)} y2={y(value)} />
          <text x={LEFT - 8} y={y(value) + 4} text-anchor="end">
            {figure(value)}
          </text>
        </g>
      ))}
      {bound !== undefined && <line class="bound" x1={LEFT} x2={W - RIGHT} y1={y(bound)} y2={y(bound)} />}
      <polyline points={points.map((one, at) => `${x(at)},${y(one.value)}`).join(" ")} />
      {points.map((one, at) => (
        <g key={one.version}>
          <circle class={one.stage} cx={x(at)} cy={y(one.value)} r={one.version === model.live ? 7 : 4.5}>
            <title>{`version ${one.version}, ${one.stage} (${one.why}): ${figure(one.value)}`}</title>
          </circle>
          {at % step === 0 && (
            <text x={x(at)} y={H - 8} text-anchor="middle">
              {one.version}
            </text>
          )}
        </g>
      ))}
    </svg>
  );
}
