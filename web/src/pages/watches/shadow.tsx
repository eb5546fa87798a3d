/** Shadow week: what another model, or another detector, would have done beside what the live one did. */
import {useState} from "preact/hooks";
import type {DetectorKind, ModelInfo, WatchInfo, WouldBe} from "../../api/acting";
import type {List} from "../../api/client";
import {useResource} from "../../resource";
import {count, dateTime, plural} from "../../text";
import {Loading, ProblemBox, Table} from "../../ui";
import {LevelTag} from "../processing/parts-acting";
import {differ, modelHref, modelPath} from "../processing/words";
import {type Question, useBacktest} from "./backtest";
import {alarms} from "./episodes";
import {Lanes} from "./lanes";
import {Would} from "./would";

const PAST = "7d";

interface Rival {
  name: string;
  version: number | null;
  otherwise: Pick<Question, "model_version" | "definition">;
}

/** Versions of its model when it has one, else the other detectors. */
function rivals(watch: WatchInfo, model: ModelInfo | null, kinds: DetectorKind[]): Rival[] {
  const {detector} = watch.definition;
  if (!model) {
    const others = kinds.filter((one) => one.name !== detector.kind);
    return others.map((one) => ({name: `the detector ${one.name}`, version: null, otherwise: {definition: {detector: {kind: one.name}}}}));
  }
  const others = model.versions.filter((one) => one.version !== model.live && one.stage !== "retired").sort((a, b) => b.version - a.version);
  return others.map((one) => ({
    name: `${model.name}, version ${one.version} (${one.stage})`,
    version: one.version,
    otherwise: {model_version: one.version},
  }));
}

function byLevel(decisions: WouldBe[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const one of alarms(decisions)) found[one.level ?? ""] = (found[one.level ?? ""] ?? 0) + 1;
  return found;
}

function Sums({live, rival}: {live: WouldBe[]; rival: WouldBe[]}) {
  const a = byLevel(live);
  const b = byLevel(rival);
  return (
    <Table label="Alarms by level" head={["Alarms", "Live#", "In its place#"]}>
      {["critical", "warning", "info"].map((level) => (
        <tr key={level}>
          <th scope="row">
            <LevelTag level={level} />
          </th>
          <td class="number">{count(a[level] ?? 0)}</td>
          <td class="number">{count(b[level] ?? 0)}</td>
        </tr>
      ))}
    </Table>
  );
}

const MARGIN = 0.05;

/** From the first decision to the last, and a little around them. */
function span(...lists: WouldBe[][]): [number, number] | null {
  const times = lists.flatMap((list) => list.map((one) => Date.parse(one.window?.start ?? ""))).filter((at) => !Number.isNaN(at));
  if (times.length === 0) return null;
  const first = Math.min(...times);
  const last = Math.max(...times);
  const margin = Math.max(60_000, (last - first) * MARGIN);
  return [first - margin, last + margin];
}

export function Shadow({watch}: {watch: WatchInfo}) {
  const named = watch.definition.detector.model ?? null;
  const model = useResource<ModelInfo>(named ? modelPath(named) : null, {on: ["model."]});
  const kinds = useResource<List<DetectorKind>>("/v1/detectors").data?.items ?? [];
  const offered = named && !model.data ? [] : rivals(watch, model.data, kinds);
  const [chosen, choose] = useState<string | null>(null);
  const candidate =
    offered.find((one) => one.name === chosen) ?? offered.find((one) => one.version !== null && one.version === model.data?.candidate) ?? offered[0];
  const base: Question = {watch: watch.name, last: PAST};
  const live = useBacktest(candidate ? base : null);
  const rival = useBacktest(candidate ? {...base, ...candidate.otherwise} : null);
  const problem = live.problem ?? rival.problem;
  const difference = live.answer && rival.answer ? differ(live.answer.decisions, rival.answer.decisions) : null;
  const range = live.answer && rival.answer ? span(live.answer.decisions, rival.answer.decisions) : null;
  return (
    <section class="section" aria-label="Shadow week" aria-busy={live.isAsking || rival.isAsking}>
      <div class="card pad section">
        <p>
          What another {named ? "version of its model" : "detector"} would have done with the last week of <b>{watch.definition.stream}</b>, beside
          what the live one does with it. Nothing is sent.
        </p>
        {offered.length === 0 && (
          <p class="soft">
            {named ? (
              <>
                There is no other version of <a href={modelHref(named)}>{named}</a> yet.
              </>
            ) : (
              "Reading the detectors …"
            )}
          </p>
        )}
        {offered.length > 0 && (
          <label class="field watch-rival">
            In its place
            <select value={candidate?.name} onChange={(event) => choose(event.currentTarget.value)}>
              {offered.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.name}
                </option>
              ))}
            </select>
          </label>
        )}
        {problem && <ProblemBox problem={problem} />}
        {candidate && !difference && !problem && <Loading what="Back-testing a week, twice" />}
        {difference && live.answer && rival.answer && (
          <>
            {range && (
              <>
                <Lanes
                  range={range}
                  lanes={[
                    {name: "live", decisions: live.answer.decisions},
                    {name: "in its place", decisions: rival.answer.decisions},
                  ]}
                />
                <p class="small soft bar apart">
                  <span>{dateTime(range[0])}</span>
                  <span>{dateTime(range[1])}</span>
                </p>
              </>
            )}
            <div class="watch-sums">
              <Sums live={live.answer.decisions} rival={rival.answer.decisions} />
            </div>
            <p>
              <b>{plural(difference.both.length, "decision")}</b> both make; <b class="watch-gone">{count(difference.gone.length)}</b> only the live
              one; <b class="watch-new">{count(difference.only.length)}</b> only the one in its place.
            </p>
          </>
        )}
      </div>
      {difference && live.answer && rival.answer && (
        <div class="act-two">
          <section class="section" aria-label="The live one">
            <h2>The live one</h2>
            <Would answer={live.answer} decisions={live.answer.decisions} difference={null} />
          </section>
          <section class="section" aria-label="In its place">
            <h2>In its place</h2>
            <Would answer={rival.answer} decisions={rival.answer.decisions} difference={difference} />
          </section>
        </div>
      )}
    </section>
  );
}
