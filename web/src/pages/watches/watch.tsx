/** One watch: at work, its keys, what it decided, its definition, and what another model would do. */
import {useEffect, useState} from "preact/hooks";
import type {Decision, WatchInfo} from "../../api/acting";
import {inPath, type List, Problem, putOver, remove} from "../../api/client";
import {may} from "../../api/session";
import type {Document} from "../../form";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {count, dateTime, plural, seconds} from "../../text";
import {announce, Empty, ProblemBox, Shown, Tabs} from "../../ui";
import {Ask} from "../processing/ask";
import {Crumbs} from "../processing/nav";
import {DecisionLines, LevelTag} from "../processing/parts-acting";
import {modelHref, watchPath} from "../processing/words";
import {WatchForm} from "./form";
import {Keys} from "./keys";
import {Live} from "./live";
import {Shadow} from "./shadow";
import {WatchState} from "./state";
import "./watches.css";

const TABS: [string, string][] = [
  ["live", "Live"],
  ["keys", "Keys"],
  ["decisions", "Decisions"],
  ["shadow", "Shadow week"],
  ["definition", "Definition"],
];

function Decided({watch}: {watch: WatchInfo}) {
  const list = useResource<List<Decision>>(`/v1/decisions?watch=${encodeURIComponent(watch.name)}&limit=100`, {
    on: ["anomaly.", "decision.", "action."],
    every: 5000,
  });
  return (
    <section class="section" aria-label="Decisions">
      <Shown resource={list}>
        {({items}) =>
          items.length === 0 ? (
            <Empty title="It has decided nothing yet">What it sees is normal so far, or it is still learning.</Empty>
          ) : (
            <>
              <DecisionLines items={items} />
              <p>
                <a href={`/processing/decisions?watch=${encodeURIComponent(watch.name)}`}>With filters, and older ones</a>
              </p>
            </>
          )
        }
      </Shown>
    </section>
  );
}

function Definition({watch, refresh}: {watch: WatchInfo; refresh: () => void}) {
  const [document, change] = useState<Document>(() => watch.definition as unknown as Document);
  const [etag, setEtag] = useState(watch.etag); // of what is edited, whatever happens meanwhile
  if (!may("actions:write"))
    return (
      <pre class="act-json" tabIndex={0}>
        {JSON.stringify(watch.definition, null, 2)}
      </pre>
    );
  const store = async (given: Document): Promise<void> => {
    const stored = await putOver<WatchInfo>(watchPath(watch.name), given, etag);
    setEtag(stored.etag);
    announce("The watch is stored");
    refresh();
  };
  return (
    <WatchForm
      document={document}
      change={change}
      store={store}
      submit="Save"
      isNew={false}
      more={
        <button
          type="button"
          onClick={() => {
            change(watch.definition as unknown as Document);
            setEtag(watch.etag);
          }}>
          As it was
        </button>
      }
    />
  );
}

function Buttons({watch, refresh}: {watch: WatchInfo; refresh: () => void}) {
  const [isDeleting, del] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const isOn = watch.definition.enabled !== false;
  const turn = (): void =>
    void putOver(watchPath(watch.name), {...watch.definition, enabled: !isOn}, watch.etag).then(
      () => {
        announce(isOn ? "It rests" : "It watches again");
        refresh();
      },
      (error: Problem) => fail(error),
    );
  if (!may("actions:write")) return null;
  return (
    <>
      <div class="bar">
        <button onClick={turn}>{isOn ? "Pause it" : "Go on"}</button>
        <a class="button" href={`/processing/silences?new&watch=${encodeURIComponent(watch.name)}`}>
          Silence …
        </a>
        <button class="danger" onClick={() => del(true)}>
          Delete …
        </button>
      </div>
      {problem && <ProblemBox problem={problem} />}
      {isDeleting && (
        <Ask
          title={`Delete ${watch.name}?`}
          act="Delete it"
          isDanger
          close={() => del(false)}
          go={async () => {
            await remove(watchPath(watch.name));
            navigate("/processing");
          }}>
          <p>What it learned goes with it. What it decided stays on the record.</p>
        </Ask>
      )}
    </>
  );
}

function View({watch, refresh, query}: {watch: WatchInfo; refresh: () => void; query: URLSearchParams}) {
  const tab = query.get("tab") ?? "live";
  const used = watch.model;
  useEffect(() => {
    document.title = `${watch.name} · Suricate`;
  }, [watch.name]);
  return (
    <>
      <div class="head">
        <Crumbs href="/processing" name="Watches" />
        <h1>{watch.name}</h1>
        <div class="facts">
          <WatchState watch={watch} />
          {watch.firing > 0 && <LevelTag level={watch.worst} />}
          <a href={`/data/streams/${inPath(watch.definition.stream)}`}>{watch.definition.stream}</a>
          <span>{plural(watch.keys, "key")}</span>
          {watch.unwatched > 0 && <span class="state bad">{plural(watch.unwatched, "key")} too many</span>}
          <span title={watch.position?.window_start ? `next window ${dateTime(watch.position.window_start)}` : undefined}>
            {watch.lag.seconds ? `${seconds(watch.lag.seconds)} behind` : "up to date"}
          </span>
          <span class="mono small">{watch.code}</span>
          {used && (
            <span>
              model <a href={modelHref(used.name)}>{used.name}</a>, version {count(used.version)}
            </span>
          )}
        </div>
        {watch.definition.description && <p>{watch.definition.description}</p>}
      </div>
      {watch.error && <ProblemBox problem={{title: "It does not go on", detail: watch.error}} />}
      <Buttons watch={watch} refresh={refresh} />
      <Tabs tabs={TABS} label="About this watch" />
      {tab === "keys" ? (
        <Keys watch={watch} query={query} />
      ) : tab === "decisions" ? (
        <Decided watch={watch} />
      ) : tab === "shadow" ? (
        <Shadow watch={watch} />
      ) : tab === "definition" ? (
        <Definition watch={watch} refresh={refresh} />
      ) : (
        <Live key={JSON.stringify(watch.definition.levels)} watch={watch} refresh={refresh} />
      )}
    </>
  );
}

export default function WatchPage({params, query}: PageProps) {
  const watch = useResource<WatchInfo>(watchPath(params["name"] ?? ""), {on: ["watch.", "anomaly.", "model."], every: 3000});
  return (
    <div class="page">
      <Shown resource={watch} what="Reading the watch">
        {(found) => <View watch={found} refresh={watch.refresh} query={query} />}
      </Shown>
      {!watch.data && <h1 class="sr">{params["name"]}</h1>}
    </div>
  );
}
