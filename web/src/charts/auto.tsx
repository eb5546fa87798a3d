/** The chart that a table gets without anybody asking: its most telling category, else its numbers in order. */
import type {Column, Preview} from "../api/types";
import {Bars} from "./bars";
import {Line} from "./line";

const CATEGORIES_MAX = 60;
const SHOWN = 12;

/** A text column that names kinds rather than rows: from two values to a few dozen, most rows filled. */
function category(preview: Preview): Column | null {
  const fits = preview.columns.filter((column) => column.type === "text" && column.distinct >= 2 && column.distinct <= CATEGORIES_MAX
    && column.distinct < preview.rows * 0.6 && column.top.length >= 2 && String(column.top[0]?.value ?? "").length <= 40);
  const score = (column: Column): number => (1 - column.nulls / Math.max(1, preview.rows)) * Math.min(column.distinct, SHOWN)
    * ((column.top[0]?.count ?? 1) / (column.top.at(-1)?.count ?? 1) > 1.2 ? 2 : 1);
  return fits.sort((a, b) => score(b) - score(a))[0] ?? null;
}

const isMeasure = (column: Column): boolean => ["integer", "float", "number"].includes(column.type) && column.distinct > 2;

/** An identifier counts up by one and is nobody's measure. */
const isIdentifier = (column: Column, rows: number): boolean =>
  column.type === "integer" && column.distinct >= rows * 0.98 && /(^|_)(id|key|index|no|nr)$/i.test(column.name);

export function AutoChart({preview}: {preview: Preview}) {
  const kinds = category(preview);
  if (kinds) {
    const bars = kinds.top.slice(0, SHOWN).map((one) => ({name: one.value === null ? "(none)" : String(one.value), value: one.count}));
    return <Bars title={`Rows per ${kinds.name}`} bars={bars} unit="Rows" />;
  }
  const numbers = preview.columns.map((column, at) => ({column, at}))
    .filter(({column}) => isMeasure(column) && !isIdentifier(column, preview.rows)).slice(0, 3);
  if (numbers.length === 0 || preview.sample.length < 3) return null;
  return (
    <Line title={`${numbers.map(({column}) => column.name).join(", ")} in the first ${preview.sample.length} rows`}
      x={preview.sample.map((_, at) => at + 1)}
      lines={numbers.map(({column, at}) => ({name: column.name, values: preview.sample.map((row) => (typeof row[at] === "number" ? row[at] : null))}))} />
  );
}
