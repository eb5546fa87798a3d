/** The chart of a stream's field. */
import type {Picked} from "./stream-live";
import {useResource} from "../../resource";
import {Line} from "../../charts/line";
import {plural} from "../../text";
import {Shown} from "../../ui";
import {streamPath} from "./stream-model";

interface Series { from: number; to: number; messages: number; keys_left_out: number; series: {field: string; key: string | null; t: number[]; last: number[]}[] }

export function StreamChart({stream, picked}: {stream: string; picked: Picked}) {
  const query = new URLSearchParams({field: picked.field, points: "400", keys: "6", ...(picked.by && {by: picked.by}),
    ...(picked.last && picked.last !== "all" && {last: picked.last}), ...(picked.from && {from: picked.from}), ...(picked.to && {to: picked.to})});
  const series = useResource<Series>(`${streamPath(stream)}/series?${query.toString()}`, {every: 1000});
  return <Shown resource={series}>{(one) => <Drawn one={one} field={picked.field} />}</Shown>;
}

function Drawn({one, field}: {one: Series; field: string}) {
  const times = [...new Set(one.series.flatMap((line) => line.t))].sort((a, b) => a - b);
  if (times.length === 0) return <p class="soft">No numbers in this range.</p>;
  const lines = one.series.map((line) => {
    const known = new Map(line.t.map((t, at) => [t, line.last[at] ?? null]));
    return {name: line.key ?? field, values: times.map((t) => known.get(t) ?? null)};
  });
  return <><Line title={field} x={times} lines={lines} /><p class="soft small">{plural(one.messages, "message")}</p></>;
}
