/** A new watch: three choices, and what it would have done with what is there already. */
import {useMemo, useState} from "preact/hooks";
import type {WatchDefinition} from "../../api/acting";
import {mustBeNew, put} from "../../api/client";
import {JudgedChart, type JudgedLook} from "../../charts/judged";
import type {Document} from "../../form";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {announce, Loading, ProblemBox} from "../../ui";
import {Crumbs} from "../processing/nav";
import {watchHref, watchPath} from "../processing/words";
import {type Question, useBacktest} from "./backtest";
import {BLANK, linesOf} from "./definition";
import {alarms} from "./episodes";
import {nameFor, WatchForm} from "./form";
import {judged} from "./use-scores";
import {Would} from "./would";
import "./watches.css";

const PAST = "1d";

function isAskable(document: Document): boolean {
  return Boolean(document["stream"] && document["every"] && (document["values"] as string[] | undefined)?.[0]);
}

/** What it would have done: the best way to see whether the three choices were good ones. */
function Preview({document}: {document: Document}) {
  const {name: _, actions: __, enabled: ___, description: ____, from: _____, ...definition} = document;
  const isKeyed = ((document["by"] as string[] | undefined)?.length ?? 0) > 0;
  const question: Question | null = isAskable(document) ? {definition: definition as Partial<WatchDefinition>, last: PAST, scores: !isKeyed} : null;
  const {answer, problem, isAsking} = useBacktest(question);
  const data = useMemo(() => (answer?.scores ? judged(answer.scores) : null), [answer]);
  const look: JudgedLook | null = useMemo(
    () =>
      data && data.x.length > 1
        ? {
            levels: linesOf(definition["levels"] as unknown as WatchDefinition["levels"]),
            on: (definition["levels"] as {on?: "score" | "value"}).on ?? "score",
            selection: null,
            range: [(data.x[0] ?? 0) * 1000, (data.x.at(-1) ?? 0) * 1000],
            marks: alarms(answer?.decisions ?? []).map((one) => ({
              at_ms: Date.parse(one.window?.start ?? ""),
              level: one.level ?? "",
              kind: "plain" as const,
            })),
          }
        : null,
    [data],
  );
  if (!question) return null;
  return (
    <section class="card pad section" aria-label="What it would have done" aria-busy={isAsking}>
      <h2>What it would have done with the last day of the stream</h2>
      {problem && <ProblemBox problem={problem} />}
      {!answer && !problem && <Loading what="Back-testing" />}
      {data && look && <JudgedChart label="What it would have seen" data={data} look={look} select={() => undefined} move={null} />}
      {answer && <Would answer={answer} decisions={answer.decisions} difference={null} />}
    </section>
  );
}

export default function NewWatch({query}: PageProps) {
  const stream = query.get("stream");
  const [document, change] = useState<Document>(() => {
    const begun: Document = {...BLANK, ...(stream ? {stream} : {}), ...(query.get("value") ? {values: [query.get("value")!]} : {})};
    return {...begun, name: nameFor(begun)};
  });
  const store = async (given: Document): Promise<void> => {
    const {name, ...definition} = given;
    const path = watchPath(String(name ?? "").trim());
    await mustBeNew(path);
    await put(path, definition);
    announce("It watches");
    navigate(watchHref(String(name).trim()));
  };
  return (
    <div class="page">
      <div class="head">
        <Crumbs href="/processing" name="Watches" />
        <h1>New watch</h1>
        <p class="soft">It learns what is normal, window by window, and says when something is not.</p>
      </div>
      <WatchForm document={document} change={change} store={store} submit="Make the watch" isNew />
      <Preview document={document} />
    </div>
  );
}
