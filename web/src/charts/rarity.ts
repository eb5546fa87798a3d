/** Scores on an axis that has room where it matters: 0.9, 0.99, 0.999 are as far from each other as 0 and 0.9. Pure. */
const NINES_MAX = 6;

/** 0.99 → 2. */
export const nines = (score: number): number => Math.min(NINES_MAX, -Math.log10(Math.max(10 ** -NINES_MAX, 1 - score)));
/** 2 → 0.99. */
export const ofNines = (at: number): number => (at <= 0 ? 0 : 1 - 10 ** -Math.min(NINES_MAX, at));
/** As a score is written: 0.99, 0.9995. */
export const scoreText = (score: number): string =>
  score >= 1
    ? "1"
    : score <= 0
      ? "0"
      : score
          .toFixed(Math.max(2, Math.ceil(nines(score)) + 1))
          .replace(/0+$/, "")
          .replace(/\.$/, "");
