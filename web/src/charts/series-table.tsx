/** A chart's newest buckets as a table. */
import {compact, count, dateTime} from "../text";
import {Table} from "../ui";
import type {Series} from "./series";

const ROWS = 50;

export function SeriesTable({label, series}: {label: string; series: Series}) {
  const rows = series.lines.flatMap((line) => line.t.slice(-ROWS).map((t, at, some) => {
    const from = line.t.length - some.length + at;
    return {t, name: line.name, min: line.min[from]!, max: line.max[from]!, last: line.last[from]!, count: line.count[from]!};
  })).sort((a, b) => b.t - a.t).slice(0, ROWS);
  return (
    <Table label={`${label}, newest values`} head={["From", "Line", "Least#", "Greatest#", "Last#", "Values#"]}>
      {rows.map((row) => (
        <tr key={`${row.name}/${row.t}`}>
          <th scope="row">{dateTime(row.t)}.{String(row.t % 1000).padStart(3, "0")}</th>
          <td>{row.name}</td>
          <td class="number">{compact(row.min)}</td>
          <td class="number">{compact(row.max)}</td>
          <td class="number">{compact(row.last)}</td>
          <td class="number">{count(row.count)}</td>
        </tr>
      ))}
    </Table>
  );
}
