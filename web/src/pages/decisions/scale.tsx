/** Where the value lay beside what was normal: a strip, and the same in words. */
import type {Fields} from "../../api/acting";
import {figure} from "../processing/words";

const W = 480;
const PAD = 24;

function normalWords(low: number | null, high: number | null, expected: number | null): string {
  if (low !== null && high !== null) return `${figure(low)} to ${figure(high)}`;
  if (high !== null) return `up to ${figure(high)}`;
  return low !== null ? `from ${figure(low)}` : `about ${figure(expected)}`;
}

export function Scale({grounds}: {grounds: Fields}) {
  const number = (name: string): number | null => (typeof grounds[name] === "number" ? grounds[name] : null);
  const value = number("value");
  const expected = number("expected");
  const low = number("low") ?? expected;
  const high = number("high") ?? expected;
  if (value === null || low === null || high === null) return null;
  const normal = normalWords(number("low"), number("high"), expected);
  const first = Math.min(value, low);
  const last = Math.max(value, high);
  const span = last - first || 1;
  const x = (at: number): number => PAD + ((at - first) / span) * (W - 2 * PAD);
  const anchor = (at: number): string => (x(at) < 70 ? "start" : x(at) > W - 70 ? "end" : "middle");
  return (
    <svg class="act-scale" viewBox={`0 0 ${W} 74`} role="img" aria-label={`The value was ${figure(value)}; normal would have been ${normal}`}>
      <line class="grid-line" x1={PAD} x2={W - PAD} y1="38" y2="38" />
      <rect class="normal" x={x(low)} width={Math.max(3, x(high) - x(low))} y="28" height="20" rx="4" />
      {expected !== null && <line class="expected" x1={x(expected)} x2={x(expected)} y1="26" y2="50" />}
      <circle class={value < low || value > high ? "outside" : ""} cx={x(value)} cy="38" r="7" />
      <text x={x(value)} y="16" text-anchor={anchor(value)} class="value">
        {figure(value)}
      </text>
      <text x={x((low + high) / 2)} y="68" text-anchor={anchor((low + high) / 2)}>
        normal: {normal}
      </text>
    </svg>
  );
}
