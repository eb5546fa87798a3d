/** Outputs as nbformat 4 has them, and small readings of them. */

/** Text as a notebook stores it: one string, or pieces to be joined. */
export type Lines = string | string[];
export type Bundle = Record<string, unknown>;

/** What the server says of an output that it keeps to itself until somebody asks for it. */
export interface TooLarge {
  too_large: number;
  href: string;
}

export interface StreamOutput {
  output_type: "stream";
  name: string;
  text: Lines;
}
export interface DataOutput {
  output_type: "display_data" | "execute_result";
  data: Bundle;
  metadata: Record<string, unknown>;
  execution_count?: number | null;
}
export interface ErrorOutput {
  output_type: "error";
  ename: string;
  evalue: string;
  traceback: string[];
}
export type Output = StreamOutput | DataOutput | ErrorOutput;

export const RESULT = "application/vnd.suricate.result+json";
export const PROGRESS = "application/vnd.suricate.progress+json";
export const PLOTLY = "application/vnd.plotly.v1+json";
export const WIDGET = "application/vnd.jupyter.widget-view+json";
export const VEGA = /^application\/vnd\.vega(lite)?\.v\d+(\.\d+)*\+json$/;
export const RASTER = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/** Richest first; what is not here is shown by its text. */
const ORDER = [PROGRESS, RESULT, WIDGET, PLOTLY, "application/javascript", "text/html", "text/markdown", "image/svg+xml", "text/latex",
  ...RASTER, "application/json", "text/plain"];

/** The form of a bundle that is shown; null when there is none we know. */
export function richest(data: Bundle): string | null {
  const vega = Object.keys(data).find((type) => VEGA.test(type));
  const found = ORDER.find((type) => data[type] !== undefined && data[type] !== null);
  return vega && found !== PROGRESS && found !== RESULT ? vega : found ?? Object.keys(data).find((type) => type.startsWith("text/")) ?? null;
}

export function textOf(lines: unknown): string {
  if (typeof lines === "string") return lines;
  if (Array.isArray(lines)) return lines.join("");
  return lines === undefined || lines === null ? "" : asJson(lines);
}

/** JSON as text; what is too deep for the engine says so instead of failing. */
export function asJson(value: unknown): string {
  try {
    return JSON.stringify(value, null, 2) ?? "";
  } catch {
    return "(nested too deeply to be written out)";
  }
}

/** Where an output that is too large to be sent along is kept; only addresses of the server's own outputs are believed. */
export function tooLarge(output: Output): TooLarge | null {
  const mark = "metadata" in output ? (output.metadata as {suricate?: Partial<TooLarge>} | undefined)?.suricate : undefined;
  const said = mark ?? (output as unknown as Partial<TooLarge>);
  if (typeof said?.too_large !== "number" || typeof said.href !== "string") return null;
  return /^\/v1\/(notebooks|runs)\/[^?#\\]+$/.test(said.href) && !said.href.includes("..") ? {too_large: said.too_large, href: said.href} : null;
}

/** An output as plain text, to be copied or exported. */
export function plainText(output: Output): string {
  if (output.output_type === "stream") return textOf(output.text);
  if (output.output_type === "error") return (output.traceback ?? []).join("\n") || `${output.ename}: ${output.evalue}`;
  const data = output.data ?? {};
  for (const type of ["text/plain", "text/markdown", "text/latex", "text/html", "application/json", RESULT]) {
    if (data[type] !== undefined) return textOf(data[type]);
  }
  return "";
}
