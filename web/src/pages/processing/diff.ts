/** Lines that two texts have in common, that went, that came: the longest common subsequence. */
export interface DiffLine {
  kind: "same" | "gone" | "new";
  text: string;
}

const MOST = 3000;

export function diff(before: string, now: string): DiffLine[] {
  const a = before.split("\n").slice(0, MOST), b = now.split("\n").slice(0, MOST);
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const lines: DiffLine[] = [];
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({kind: "same", text: a[i++] ?? ""});
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1))) lines.push({kind: "gone", text: a[i++] ?? ""});
    else lines.push({kind: "new", text: b[j++] ?? ""});
  }
  return lines;
}
