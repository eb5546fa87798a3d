/** A line per column: type, range, mean, gaps, commonest values. */
import type {Column, Preview} from "../../api/types";
import {Histogram} from "../../charts";
import {compact, count} from "../../text";
import {Table} from "../../ui";

const say = (value: unknown): string => (value === null || value === undefined ? "" : typeof value === "number" ? compact(value) : String(value));

export function Profile({preview}: {preview: Preview}) {
  if (!preview.columns?.length) return <p class="soft">There is no table in this file.</p>;
  return (
    <Table label="Columns" head={["Column", "Type", "Spread", "Values", "Missing", "Least", "Greatest", "Mean#", "Commonest"]}>
      {preview.columns.map((column, at) => <Row key={column.name} column={column} sample={preview.sample.map((row) => row[at])} />)}
    </Table>
  );
}

function Row({column, sample}: {column: Column; sample: unknown[]}) {
  return (
    <tr>
      <th scope="row">{column.name}</th><td class="soft">{column.type}</td><td><Histogram column={column} sample={sample} /></td>
      <td>{column.distinct_exact ? "" : "about "}{count(column.distinct)} different</td><td>{column.nulls ? count(column.nulls) : ""}</td>
      <td>{say(column.min)}</td><td>{say(column.max)}</td><td class="number">{say(column.mean)}</td>
      <td class="small soft">{column.top.slice(0, 3).map((one) => `${say(one.value)} (${count(one.count)})`).join(", ")}</td>
    </tr>
  );
}
