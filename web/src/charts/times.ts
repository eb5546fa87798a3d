/** How uPlot writes times, in the words of text.ts. */
const DAY = "\n{YYYY}-{MM}-{DD}";
const MINUTE = "{HH}:{mm}";
const SECOND = "{HH}:{mm}:{ss}";
/** Least distance of ticks in seconds, their text, and what is added when the year, day, hour, minute or second is another. */
export const TIMES: (string | number | null)[][] = [
  [86400 * 365, "{YYYY}", null, null, null, null, null, null, 1],
  [86400 * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [3600, MINUTE, DAY, null, DAY, null, null, null, 1],
  [60, MINUTE, DAY, null, DAY, null, null, null, 1],
  [1, SECOND, DAY, null, DAY, null, null, null, 1],
  [0.001, ":{ss}.{fff}", `\n{YYYY}-{MM}-{DD} ${MINUTE}`, null, `\n{YYYY}-{MM}-{DD} ${MINUTE}`, null, `\n${MINUTE}`, null, 1],
];
