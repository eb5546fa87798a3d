/** A chart of a stream's field over its last minutes, read again each second. */
import {inPath} from "../../api/client";
import {Line} from "../../charts/line";
import {useResource} from "../../resource";
import {Shown} from "../../ui";

interface Series { from: number; to: number; step_ms: number; series: {field: string; key: string | null; t: number[]; last: number[]}[] }
const RANGES = ["1m", "10m", "1h", "24h", "all"];

export function LiveChart(props: {stream: string; fields: string[]; by?: string; range: string; onRange: (range: string) => void}) {
  const wanted = new URLSearchParams({field: props.fields.join(","), points: "600", keys: "6", ...(props.by && {by: props.by}),
    ...(props.range !== "all" && {last: props.range})});
  const series = useResource<Series>(`/v1/streams/${inPath(props.stream)}/series?${wanted.toString()}`, {every: 1000});
  return (
    <>
      <div class="bar" role="group" aria-label="Range">
        {RANGES.map((range) => <button key={range} class="quiet" aria-pressed={range === props.range} onClick={() => props.onRange(range)}>{range}</button>)}
      </div>
      <Shown resource={series}>{(data) => {
        const times = [...new Set(data.series.flatMap((one) => one.t))].sort((a, b) => a - b);
        const lines = data.series.map((one) => {
          const values = new Map(one.t.map((t, at) => [t, one.last[at] ?? null]));
          return {name: one.key ?? one.field, values: times.map((t) => values.get(t) ?? null)};
        });
        if (times.length < 2) return <p class="soft">Not enough numbers in this range yet.</p>;
        return <Line title={`${props.fields.join(", ")}${props.by ? ` by ${props.by}` : ""}`} x={times} lines={lines} />;
      }}</Shown>
    </>
  );
}
