/** What an output says of its picture: its size on the page, and words for who cannot see it. */

export interface Wanted {
  width?: number;
  height?: number;
  alt: string;
}

const number = (value: unknown): number | undefined => (typeof value === "number" && value > 0 && value < 20_000 ? value : undefined);

/** What the metadata (of all, then of this type) says of a picture; the text beside it is better than nothing. */
export function wantedOf(metadata: Record<string, unknown> | undefined, type: string, text: string): Wanted {
  const own = (metadata?.[type] ?? {}) as Record<string, unknown>;
  const alt = [own["alt"], metadata?.["alt"]].find((value) => typeof value === "string" && value.trim());
  return {width: number(own["width"]), height: number(own["height"]), alt: String(alt ?? generic(text)).slice(0, 500)};
}

function generic(text: string): string {
  const said = /^<Figure size ([\d.]+)x([\d.]+) with (\d+) Ax/.exec(text);
  if (said) return said[3] === "1" ? "A chart made by this cell" : `${said[3]} charts made by this cell`;
  return text && !text.startsWith("<") ? `Picture: ${text.slice(0, 200)}` : "A picture made by this cell";
}
