/** How fast each stream was while this page looked: a minute of samples, kept across visits of the list. */
const KEPT = 60;
const samples = new Map<string, {values: number[]; at: number}>();
const APART_MS = 900;

/** Notes a stream's rate and gives what is known, newest last. */
export function noted(stream: string, messages_per_s: number): number[] {
  const known = samples.get(stream) ?? {values: [], at: 0};
  if (Date.now() - known.at >= APART_MS) {
    known.values = [...known.values, messages_per_s].slice(-KEPT);
    known.at = Date.now();
    samples.set(stream, known);
  }
  return known.values;
}
