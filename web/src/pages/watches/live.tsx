/** The watch at work: what it sees of one key, its levels to be moved, ranges to be back-tested, and what would have been otherwise. */
import {useMemo, useState} from "preact/hooks";
import type {Level, WatchDefinition, WatchInfo} from "../../api/acting";
import {Problem, putOver} from "../../api/client";
import {may} from "../../api/session";
import {JudgedChart, type JudgedLook, type Mark} from "../../charts/judged";
import {address, navigate, withQuery} from "../../router";
import {dateTime, seconds} from "../../text";
import {announce, Loading, ProblemBox} from "../../ui";
import {differ, figure, keyWords, ofKey, sameness, score, watchPath} from "../processing/words";
import {type Question, useBacktest} from "./backtest";
import {linesOf, moved} from "./definition";
import {alarms} from "./episodes";
import {KeyChoice, useKey} from "./key-choice";
import {Lanes} from "./lanes";
import {Thresholds} from "./thresholds";
import {judged, type Range, useDecisions, useScores} from "./use-scores";
import {Would} from "./would";

const RANGES: [string, string][] = [
  ["10m", "10 min"],
  ["1h", "1 h"],
  ["6h", "6 h"],
  ["1d", "1 d"],
  ["7d", "1 week"],
];
const LEAST_MS = 2000;
const MOST_MS = 15_000;

export const durationMs = (text: string): number => {
  const found = /^(\d+(?:\.\d+)?)(us|ms|s|m|h|d|w)$/.exec(text.trim());
  return found ? Number(found[1]) * {us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000}[found[2] as "s"]! : 10_000;
};

/** Detectors that judge the value itself; others a distance, a sum, a silence. */
const PLAIN = ["threshold", "seasonal", "combination"];

/** A changed definition learns anew before the range; what it is compared with does the same. */
const ANEW: Partial<WatchDefinition> = {description: "as it is, learning anew"};

type Span = [from_ms: number, to_ms: number];
const iso = (ms: number): string => new Date(ms).toISOString();

function RangeButtons({range, span}: {range: Range; span: Span | null}) {
  const go = (changes: Record<string, string | null>): void => navigate(withQuery(changes), {replace: true});
  return (
    <div class="ranges watch-ranges" role="group" aria-label="Range">
      {RANGES.map(([value, name]) => (
        <button
          key={value}
          type="button"
          class="quiet"
          aria-pressed={range.from === null && range.last === value}
          onClick={() => go({last: value, from: null, to: null})}>
          {name}
        </button>
      ))}
      {range.from && (
        <button type="button" class="quiet" onClick={() => go({from: null, to: null})}>
          Back to the newest
        </button>
      )}
      {span && (
        <button type="button" class="quiet" onClick={() => go({from: iso(span[0]), to: iso(span[1])})}>
          Zoom into the range
        </button>
      )}
    </div>
  );
}

/** "now 4.2, normally 3 to 5, score 0.3". */
function summary(data: ReturnType<typeof judged>): string {
  let at = data.x.length - 1;
  while (at >= 0 && data.values[at] === null) at--;
  if (at < 0) return "No value in this range.";
  const band = typeof data.low[at] === "number" ? `, normal ${figure(data.low[at])} to ${figure(data.high[at])}` : "";
  return `Last ${figure(data.values[at])} at ${dateTime((data.x[at] ?? 0) * 1000)}${band}, score ${score(data.scores[at])}.`;
}

function useMarks(decided: {present: Parameters<typeof alarms>[0]; changed: Parameters<typeof alarms>[0] | null}): Mark[] {
  return useMemo(() => {
    const marks = (list: Parameters<typeof alarms>[0], kind: Mark["kind"]): Mark[] =>
      alarms(list)
        .map((one) => ({at_ms: Date.parse(one.window?.start ?? ""), level: one.level ?? "", kind}))
        .filter((one) => !Number.isNaN(one.at_ms));
    if (!decided.changed) return marks(decided.present, "plain");
    const now = decided.changed;
    const before = decided.present;
    const has = new Set(now.map(sameness));
    const had = new Set(before.map(sameness));
    return [
      ...marks(
        now.filter((one) => had.has(sameness(one))),
        "plain",
      ),
      ...marks(
        now.filter((one) => !had.has(sameness(one))),
        "new",
      ),
      ...marks(
        before.filter((one) => !has.has(sameness(one))),
        "gone",
      ),
    ];
  }, [decided.present, decided.changed]);
}

export function Live({watch, refresh}: {watch: WatchInfo; refresh: () => void}) {
  const {definition} = watch;
  const query = address.value.query;
  const [key, isKnown] = useKey(watch);
  const range: Range = {last: query.get("last") ?? "1h", from: query.get("from"), to: query.get("to")};
  const [levels, change] = useState(definition.levels);
  const [span, select] = useState<Span | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const every = Math.min(MOST_MS, Math.max(LEAST_MS, durationMs(definition.every)));
  const scores = useScores(watch.name, isKnown ? key : null, range, watch.state === "running", every);
  const data = useMemo(() => (scores.data ? judged(scores.data) : null), [scores.data]);
  const shown: Span | null = data && data.x.length > 0 ? [(data.x[0] ?? 0) * 1000, (data.x.at(-1) ?? 0) * 1000] : null;
  const made = useDecisions(watch.name, key, shown);
  const isChanged = JSON.stringify(levels) !== JSON.stringify(definition.levels);
  const [frozen, freeze] = useState<Span | null>(null); // a back-test's range stays while new windows come
  const asked = span ?? (isChanged ? (frozen ?? shown) : null);
  const question = (otherwise?: Partial<WatchDefinition>): Question | null =>
    asked
      ? {watch: watch.name, from: iso(asked[0]), to: iso(asked[1] + 1), ...(key !== null ? {key} : {}), ...(otherwise ? {definition: otherwise} : {})}
      : null;
  const present = useBacktest(question(isChanged ? ANEW : undefined));
  const changed = useBacktest(isChanged ? question({levels}) : null);
  const answer = isChanged ? changed.answer : present.answer;
  const before = present.answer && asked ? ofKey(present.answer, key) : made;
  const would = isChanged && changed.answer ? ofKey(changed.answer, key) : null;
  const difference = present.answer && would ? differ(before, would) : null;
  const marks = useMarks({present: before, changed: would});
  const look: JudgedLook = useMemo(
    () => ({levels: linesOf(levels), on: levels.on ?? "score", marks, selection: span, range: shown ?? [0, 1]}),
    [levels, marks, span?.[0], span?.[1], shown?.[0], shown?.[1]],
  );
  const isChangeable = may("actions:write");
  const alter = (next: typeof levels): void => {
    if (!isChanged) freeze(shown);
    change(next);
  };
  const save = (): void =>
    void putOver<WatchInfo>(watchPath(watch.name), {...definition, levels}, watch.etag).then(
      (stored) => {
        change(stored.definition.levels);
        announce("The levels are stored");
        fail(null);
        freeze(null);
        refresh();
      },
      (error: Problem) => fail(error),
    );
  return (
    <section class="section" aria-label="Live">
      <div class="card pad section watch-live">
        <div class="bar apart">
          <KeyChoice watch={watch} value={key} />
          <RangeButtons range={range} span={span} />
        </div>
        {scores.problem && <ProblemBox problem={scores.problem} />}
        {!data && !scores.problem && <Loading what="Reading what it sees" />}
        {data && data.x.length === 0 && <p class="soft">No window in this range yet.</p>}
        {data && shown && (
          <>
            <p class="bar apart small">
              <span>
                <b>{definition.values.join(", ")}</b>
                {key ? ` of ${keyWords(key)}` : ""} in windows of {definition.every}
                {!PLAIN.includes(definition.detector.kind) && `, as the detector ${definition.detector.kind} judges it`}
              </span>
              <span class="soft">Drag over a range to back-test it{isChangeable ? "; drag a level to move it" : ""}</span>
            </p>
            <JudgedChart
              label={`${definition.values.join(", ")} ${key ? `of ${keyWords(key)}` : ""}. ${summary(data)}`}
              data={data}
              look={look}
              select={(from, to) => select([from, to])}
              move={isChangeable ? (level: Level, enter) => alter(moved(levels, level, enter)) : null}
            />
            <Lanes range={shown} lanes={[{name: "decided", decisions: before}, ...(isChanged ? [{name: "would be", decisions: would ?? []}] : [])]} />
            <p class="small soft summary">{summary(data)}</p>
          </>
        )}
        <Thresholds levels={levels} change={alter} isChangeable={isChangeable} />
        {isChanged && (
          <div class="bar">
            <button class="primary" onClick={save}>
              Save these levels
            </button>
            <button
              onClick={() => {
                change(definition.levels);
                freeze(null);
              }}>
              As they were
            </button>
          </div>
        )}
        {problem && <ProblemBox problem={problem} />}
      </div>
      {asked && (
        <section class="card pad section" aria-label="Back-test" aria-busy={present.isAsking || changed.isAsking}>
          <div class="bar apart">
            <h2>{isChanged ? "With these levels" : "Back-test"}</h2>
            <span class="bar">
              <span class="soft small">
                {dateTime(asked[0])} to {dateTime(asked[1])} ({seconds((asked[1] - asked[0]) / 1000)})
              </span>
              {span && (
                <button class="quiet" onClick={() => select(null)}>
                  Close
                </button>
              )}
            </span>
          </div>
          {(changed.problem ?? present.problem) && <ProblemBox problem={(changed.problem ?? present.problem)!} />}
          {answer ? (
            <Would answer={answer} decisions={ofKey(answer, key)} difference={difference} />
          ) : (
            !(changed.problem ?? present.problem) && <Loading what="Back-testing" />
          )}
        </section>
      )}
    </section>
  );
}
