/** Is a pasted text a table? Then which ending it has as a file. */

const LINES = 20;

function isEven(lines: string[], mark: string): boolean {
  const counts = lines.map((line) => line.split(mark).length - 1);
  return counts[0]! > 0 && counts.every((count) => count === counts[0]);
}

/** "tsv", "csv", "json", "ndjson"; null: it is just a text. */
export function tableEnding(text: string): string | null {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "").slice(0, LINES);
  if (lines.length < 2) return null;
  if (isEven(lines, "\t")) return "tsv";
  if (lines.every((line) => /^\s*\{.*\}\s*$/.test(line))) return "ndjson";
  if (/^\s*[[{]/.test(text)) {
    try {
      const value: unknown = JSON.parse(text);
      return Array.isArray(value) && typeof value[0] === "object" ? "json" : null;
    } catch {
      return null;
    }
  }
  return isEven(lines, ",") || isEven(lines, ";") ? "csv" : null;
}
