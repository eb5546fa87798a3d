/** Buckets of a stream's series (GET /v1/streams/{name}/series) as a chart keeps them. */

export interface SeriesPart {
  field: string; key: string | null;
  t: number[]; min: number[]; max: number[]; last: number[]; count: number[];
}

export interface SeriesAnswer {
  fields: string[]; by: string | null; from: number | null; to: number | null; step_ms: number; next: number; messages: number;
  keys_left_out: number; missing?: number; whole: boolean; series: SeriesPart[];
}

export interface Line {
  name: string;
  field: string;
  key: string | null;
  /** Ascending; the others stand beside it. */
  t: number[]; min: number[]; max: number[]; last: number[]; count: number[];
}

/** x and, for each line, its least, greatest and last value: null where it has no bucket. */
export interface Aligned {
  x: number[];
  values: (number | null)[][];
}

const nameOf = (part: {field: string; key: string | null}, answer: SeriesAnswer): string => {
  const key = part.key === null ? "(none)" : part.key === "" ? "(empty)" : part.key;
  if (answer.by === null) return part.field;
  return answer.fields.length > 1 ? `${part.field}, ${key}` : key;
};

const dropBefore = (line: Line, from: number): void => {
  let gone = 0;
  while (gone < line.t.length && line.t[gone]! < from) gone++;
  if (gone === 0) return;
  for (const list of [line.t, line.min, line.max, line.last, line.count]) list.splice(0, gone);
};

/** The place of `t` among ascending numbers, from the end: news are nearly always there. */
function placeOf(list: number[], t: number): {at: number; isThere: boolean} {
  let at = list.length;
  if (at === 0 || list[at - 1]! < t) return {at, isThere: false};
  let low = 0;
  while (low < at) {
    const middle = (low + at) >> 1;
    if (list[middle]! < t) low = middle + 1;
    else at = middle;
  }
  return {at, isThere: list[at] === t};
}

function put(line: Line, part: SeriesPart): void {
  for (let i = 0; i < part.t.length; i++) {
    const {at, isThere} = placeOf(line.t, part.t[i]!);
    const gone = isThere ? 1 : 0;
    line.t.splice(at, gone, part.t[i]!);
    line.min.splice(at, gone, part.min[i]!);
    line.max.splice(at, gone, part.max[i]!);
    line.last.splice(at, gone, part.last[i]!);
    line.count.splice(at, gone, part.count[i]!);
  }
}

/** What the socket has told so far, put together. */
export class Series {
  answer: SeriesAnswer | null = null;
  lines: Line[] = [];
  /** Grows when there are other lines than before. */
  shape = 0;

  take(answer: SeriesAnswer): void {
    this.answer = answer;
    if (answer.whole) {
      const before = this.lines.map((line) => line.name).join("\n");
      this.lines = answer.series.map((part) => ({...part, name: nameOf(part, answer)}));
      if (this.lines.map((line) => line.name).join("\n") !== before) this.shape++;
      return;
    }
    for (const part of answer.series) {
      let line = this.lines.find((one) => one.field === part.field && one.key === part.key);
      if (!line) {
        line = {field: part.field, key: part.key, name: nameOf(part, answer), t: [], min: [], max: [], last: [], count: []};
        this.lines.push(line);
        this.shape++;
      }
      put(line, part);
    }
    if (answer.from !== null) for (const line of this.lines) dropBefore(line, answer.from - answer.step_ms);
  }

  /** In seconds, as uPlot wants its times. */
  aligned(): Aligned {
    const only = this.lines.length === 1 ? this.lines[0] : undefined;
    if (only) return {x: only.t.map((t) => t / 1000), values: [only.min, only.max, only.last]};
    const times = [...new Set(this.lines.flatMap((line) => line.t))].sort((a, b) => a - b);
    const values = this.lines.flatMap((line) => {
      const made: (number | null)[][] = [[], [], []];
      for (let at = 0, i = 0; at < times.length; at++) {
        const isThere = line.t[i] === times[at];
        made[0]!.push(isThere ? line.min[i]! : null);
        made[1]!.push(isThere ? line.max[i]! : null);
        made[2]!.push(isThere ? line.last[i]! : null);
        if (isThere) i++;
      }
      return made;
    });
    return {x: times.map((t) => t / 1000), values};
  }
}
