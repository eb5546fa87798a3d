/** How a column's values spread, in the head of its table column. */
import type {Column} from "../api/types";
import "./charts.css";

const BARS = 12;

/** Counts per bar: the sample's numbers between min and max, or the commonest values. */
function counts(column: Column, sample: unknown[]): number[] {
  if (typeof column.min === "number" && typeof column.max === "number" && column.max > column.min && column.distinct > BARS) {
    const found = new Array<number>(BARS).fill(0);
    const low = column.min, width = (column.max - column.min) / BARS;
    for (const value of sample) {
      if (typeof value === "number") found[Math.min(BARS - 1, Math.floor((value - low) / width))]! += 1;
    }
    return found;
  }
  return column.top.slice(0, BARS).map((one) => one.count);
}

export function Histogram({column, sample}: {column: Column; sample: unknown[]}) {
  const found = counts(column, sample);
  const top = Math.max(1, ...found);
  return (
    <svg class="histogram" viewBox={`0 0 ${BARS * 5} 20`} aria-hidden="true">
      {found.map((count, at) => <rect key={at} x={at * 5} width="4" y={20 - (count / top) * 20} height={(count / top) * 20} />)}
    </svg>
  );
}
