/** A line the size of a word: the last values of something, newest at the right. */
import "./charts.css";

const WIDTH = 120;
const HEIGHT = 28;

export function Sparkline({values, label}: {values: number[]; label: string}) {
  const top = Math.max(1e-9, ...values);
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`);
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.length > 1 && <polygon class="area" points={`0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} />}
      {values.length > 1 && <polyline class="line" points={points.join(" ")} />}
    </svg>
  );
}
