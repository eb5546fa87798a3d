/** "nfl/week1.csv" → "nfl/week1-live": the stream that an object is replayed as. */
export const streamOf = (object: string): string =>
  `${object.replace(/\.[a-z0-9]+(\.gz|\.zst)?$/i, "").replace(/[^A-Za-z0-9_./-]+/g, "-").replace(/^_+/, "")}-live`;
