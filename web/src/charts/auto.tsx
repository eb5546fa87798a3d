/** The chart that a table gets without anybody asking: its measures over time, its most telling category, else its numbers in order. */
import type {Column, Preview} from "../api/types";
import {Bars} from "./bars";
import {Line} from "./line";

const CATEGORIES_MAX = 60;
const SHOWN = 12;
const LINES_MAX = 3;
/** Columns on one axis must be of about one size. */
const ALIKE = 20;

/** A text column that names kinds rather than rows: from two values to a few dozen, most rows filled. */
function category(preview: Preview): Column | null {
  const fits = preview.columns.filter((column) => column.type === "text" && column.distinct >= 2 && column.distinct <= CATEGORIES_MAX
    && column.distinct < preview.rows * 0.6 && column.top.length >= 2 && String(column.top[0]?.value ?? "").length <= 40);
  const score = (column: Column): number => (1 - column.nulls / Math.max(1, preview.rows)) * Math.min(column.distinct, SHOWN)
    * ((column.top[0]?.count ?? 1) / (column.top.at(-1)?.count ?? 1) > 1.2 ? 2 : 1);
  return fits.sort((a, b) => score(b) - score(a))[0] ?? null;
}

const isMeasure = (column: Column): boolean => ["integer", "float", "number"].includes(column.type) && column.distinct > 2;

/** An identifier counts up by one, or is another for every row, and is nobody's measure. */
const isIdentifier = (column: Column, rows: number): boolean =>
  column.type === "integer" && column.distinct >= rows * 0.98 && (/(^|[_ ])(id|uuid|key|index|idx|row|no|nr|number)$/i.test(column.name)
    || (typeof column.min === "number" && typeof column.max === "number" && column.max - column.min === rows - 1));

interface Place { column: Column; at: number }

const size = ({column}: Place): number =>
  Math.max(Math.abs(Number(column.min)), Math.abs(Number(column.max)), 1e-12);

/** Up to three measures of about the size of the first. */
function measures(preview: Preview): Place[] {
  const all = preview.columns.map((column, at) => ({column, at})).filter(({column}) => isMeasure(column) && !isIdentifier(column, preview.rows));
  const first = all[0];
  return first ? all.filter((one) => size(one) / size(first) < ALIKE && size(first) / size(one) < ALIKE).slice(0, LINES_MAX) : [];
}

const timeOf = (value: unknown): number => (typeof value === "string" ? Date.parse(value.includes("T") ? value : value.replace(" ", "T")) : Number.NaN);

/** A column of times whose sample goes forward. */
function times(preview: Preview): number[] | null {
  for (const [at, column] of preview.columns.entries()) {
    if (!/^(datetime|date|time)/.test(column.type) || column.distinct < preview.rows * 0.5) continue;
    const found = preview.sample.map((row) => timeOf(row[at]));
    if (found.length > 2 && found.every((time, i) => !Number.isNaN(time) && (i === 0 || time >= found[i - 1]!)) && found.at(-1)! > found[0]!) return found;
  }
  return null;
}

export function AutoChart({preview}: {preview: Preview}) {
  const numbers = measures(preview), x = times(preview), kinds = category(preview);
  const isDrawn = numbers.length > 0 && preview.sample.length >= 3;
  if (kinds && !(isDrawn && x)) {
    const bars = kinds.top.slice(0, SHOWN).map((one) => ({name: one.value === null ? "(none)" : String(one.value), value: one.count}));
    return <Bars title={`Rows per ${kinds.name}`} bars={bars} unit="Rows" />;
  }
  if (!isDrawn) return null;
  const rows = preview.sample.length < preview.rows ? ` in the first ${preview.sample.length} rows` : "";
  return (
    <Line title={`${numbers.map(({column}) => column.name).join(", ")}${rows}`} isTime={x !== null} x={x ?? preview.sample.map((_, at) => at + 1)}
      lines={numbers.map(({column, at}) => ({name: column.name, values: preview.sample.map((row) => (typeof row[at] === "number" ? row[at] : null))}))} />
  );
}
