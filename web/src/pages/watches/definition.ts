/** A watch's definition: what a newcomer gets, how levels are read and changed. Pure. */
import {type Bound, type Json, type Level, type Levels, LEVELS} from "../../api/acting";
import type {Document} from "../../form";
import type {LevelLine} from "../../charts/judged";

/** How often normal behaviour may look like this, by level. */
export const TEMPERS: {name: string; text: string; enter: {warning: number; critical: number}}[] = [
  {name: "calm", text: "calm: once in 10,000 windows", enter: {warning: 0.9999, critical: 0.99999}},
  {name: "normal", text: "normal: once in 1,000 windows", enter: {warning: 0.999, critical: 0.9999}},
  {name: "eager", text: "eager: once in 100 windows", enter: {warning: 0.99, critical: 0.999}},
];

/** A level is left where a tenth of the rarity is: 0.999 is entered, 0.99 left. */
export const leaveOf = (enter: number): number => Number(Math.max(0, 1 - (1 - enter) * 10).toFixed(6));

export function levelsOf(temper: string): Levels {
  const {enter} = TEMPERS.find((one) => one.name === temper) ?? TEMPERS[1]!;
  const bound = (at: number): Bound => ({enter: at, leave: leaveOf(at)});
  return {on: "score", warning: bound(enter.warning), critical: bound(enter.critical)};
}

/** What nobody need think about. */
export const BLANK: Document = {every: "10s", detector: {kind: "combination"}, levels: levelsOf("normal") as Json, hold: 2};

export function linesOf(levels: Levels): LevelLine[] {
  return LEVELS.flatMap((level) => {
    const bound: Bound | null | undefined = levels[level];
    return bound ? [{level, enter: bound.enter, leave: bound.leave ?? null, isBelow: bound.below === true}] : [];
  });
}

/** The level begins elsewhere; where it is left keeps its distance (scores: in rarity). */
export function moved(levels: Levels, level: Level, enter: number): Levels {
  const old = levels[level];
  if (!old) return levels;
  const isScore = (levels.on ?? "score") === "score";
  const held = isScore ? Math.min(1, Math.max(0, enter)) : enter;
  const had = old.leave ?? old.enter;
  const ratio = (1 - had) / Math.max(1e-9, 1 - old.enter);
  const leave = isScore ? Number(Math.max(0, 1 - (1 - held) * ratio).toFixed(6)) : Number((held + had - old.enter).toPrecision(6));
  return {...levels, [level]: {...old, enter: held, leave}};
}
