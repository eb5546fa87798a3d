/** What a run gives as its result: named values as a list, records as a table, all else as a tree. */
import {count} from "../text";
import {Json} from "./json";

const ROWS = 200;
const COLUMNS = 30;
type Row = Record<string, unknown>;

const isFlat = (value: unknown): boolean => typeof value !== "object" || value === null;
const isRow = (value: unknown): value is Row => typeof value === "object" && value !== null && !Array.isArray(value);

function said(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value).slice(0, 2000);
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? count(value) : String(Number(value.toPrecision(6)));
}

function Records({rows}: {rows: Row[]}) {
  const columns = [...new Set(rows.slice(0, ROWS).flatMap((row) => Object.keys(row)))].slice(0, COLUMNS);
  return (
    <div class="out-table" tabIndex={0} role="region" aria-label="Result">
      <table>
        <thead><tr>{columns.map((name) => <th key={name} scope="col">{name}</th>)}</tr></thead>
        <tbody>
          {rows.slice(0, ROWS).map((row, at) => (
            <tr key={at}>{columns.map((name) => <td key={name} class={typeof row[name] === "number" ? "number" : ""}>{said(row[name])}</td>)}</tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROWS && <p class="small soft">{count(rows.length - ROWS)} more rows</p>}
    </div>
  );
}

function Value({value}: {value: unknown}) {
  if (isFlat(value)) return <span class={typeof value === "number" ? "number" : ""}>{said(value)}</span>;
  const isRecords = Array.isArray(value) && value.length > 0 && value.every((row) => isRow(row) && Object.values(row).every(isFlat));
  if (isRecords) return <Records rows={value as Row[]} />;
  if (Array.isArray(value) && value.length <= 20 && value.every(isFlat)) return <span>{value.map(said).join(", ")}</span>;
  return <Json value={value} isOpen={false} />;
}

export function Result({value}: {value: unknown}) {
  const names = isRow(value) ? Object.entries(value) : null;
  if (!names || names.length === 0 || names.length > 60) return <div class="out-result"><p class="out-label">Result</p><Value value={value} /></div>;
  return (
    <div class="out-result">
      <p class="out-label">Result</p>
      <dl>{names.map(([name, item]) => <div key={name}><dt>{name}</dt><dd><Value value={item} /></dd></div>)}</dl>
    </div>
  );
}
