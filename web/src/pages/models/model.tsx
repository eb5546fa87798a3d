/** One model: its versions with their metrics, which is live, what made them, and the rule by which a new one becomes live. */
import {useState} from "preact/hooks";
import type {ModelInfo, ModelVersion, Source} from "../../api/acting";
import {inPath, post, put, Problem, remove} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {bytes, plural} from "../../text";
import {announce, ProblemBox, Shown, Table, Tabs, Time} from "../../ui";
import {Ask} from "../processing/ask";
import {Crumbs} from "../processing/nav";
import {modelPath, text, watchHref, windowText} from "../processing/words";
import {Compare} from "./compare";
import {metricWords} from ".";
import {MetricChart} from "./metric-chart";
import {Promotion} from "./promotion";

const TABS: [string, string][] = [
  ["versions", "Versions"],
  ["compare", "Compare"],
  ["promotion", "Promotion"],
];
type Step = {act: "promote" | "retire"; version: number} | {act: "rollback"};

const STEPS: Record<Step["act"], {title: (step: Step) => string; button: string; about: string}> = {
  promote: {
    title: (step) => `Promote version ${"version" in step ? step.version : ""}?`,
    button: "Promote it",
    about: "What uses this model by name uses this version from its next window on. What was decided stays as it was.",
  },
  retire: {
    title: (step) => `Retire version ${"version" in step ? step.version : ""}?`,
    button: "Retire it",
    about: "It is offered no more. It can still be read.",
  },
  rollback: {title: () => "Roll back?", button: "Roll back", about: "The version that was live before is live again from the next window on."},
};

function SourceOf({source}: {source: Source}) {
  if (typeof source === "string") return <span>{source}</span>;
  if (source.stream)
    return (
      <a href={`/data/streams/${inPath(source.stream)}`}>
        {source.stream}
        {source.from === undefined ? "" : ` ${text(source.from)} to ${text(source.to)}`}
      </a>
    );
  return source.object ? (
    <a href={`/data/objects/${inPath(source.object)}`}>
      {source.object}
      {source.version ? `, version ${source.version}` : ""}
    </a>
  ) : null;
}

/** What made it: the run and its notebook, the window, what it was learned from. */
function Made({version}: {version: ModelVersion}) {
  const {iteration} = version;
  return (
    <span class="facts small">
      {version.run && <a href={`/runs/${version.run}`}>{version.code ?? "a run"}</a>}
      {!version.run && version.code && <span>{version.code}</span>}
      {iteration && (
        <span>
          <a href={`/data/streams/${inPath(iteration.stream)}`}>{iteration.stream}</a>
          {iteration.window ? ` ${windowText(iteration.window)}` : ""}
        </span>
      )}
      {version.sources.map((one, at) => (
        <SourceOf key={at} source={one} />
      ))}
      {!version.run && version.sources.length === 0 && <span>{version.created_by}</span>}
    </span>
  );
}

function Versions({model, ask}: {model: ModelInfo; ask: (step: Step) => void}) {
  const isWriter = may("objects:write");
  const metrics = [...new Set(model.versions.flatMap((one) => Object.keys(one.metrics ?? {})))];
  const [metric, choose] = useState(model.promotion?.metric ?? metrics[0] ?? "");
  return (
    <section class="section" aria-label="Versions">
      {metric && (
        <div class="card pad section">
          <div class="bar apart">
            <h2>{metric} over the versions</h2>
            {metrics.length > 1 && (
              <select aria-label="Metric" value={metric} onChange={(event) => choose(event.currentTarget.value)}>
                {metrics.map((name) => (
                  <option key={name} value={name}>
                    {name}
                  </option>
                ))}
              </select>
            )}
          </div>
          <MetricChart model={model} metric={metric} />
        </div>
      )}
      <Table label="Versions of the model" head={["Version", "Stage", "Metrics", "Made from", "When", "Size#", "Decided#", ""]}>
        {[...model.versions]
          .sort((a, b) => b.version - a.version)
          .map((one) => (
            <tr key={one.version}>
              <th scope="row">
                <a href={`/v1/models/${inPath(model.name)}/versions/${one.version}/content`} download>
                  {one.version}
                </a>
              </th>
              <td title={one.why}>
                <span class={`state ${one.stage === "live" ? "good" : one.stage === "candidate" ? "live" : ""}`}>{one.stage}</span>
              </td>
              <td class="small">{metricWords(one.metrics, model.promotion?.metric)}</td>
              <td>
                <Made version={one} />
              </td>
              <td class="soft">
                <Time at={one.created_at} />
              </td>
              <td class="number">{bytes(one.bytes)}</td>
              <td class="number">{one.decisions ?? ""}</td>
              <td>
                {isWriter && one.stage !== "live" && (
                  <button class="quiet" onClick={() => ask({act: "promote", version: one.version})}>
                    Promote<span class="sr"> version {one.version}</span>
                  </button>
                )}
                {isWriter && one.stage === "candidate" && (
                  <button class="quiet danger" onClick={() => ask({act: "retire", version: one.version})}>
                    Retire<span class="sr"> version {one.version}</span>
                  </button>
                )}
              </td>
            </tr>
          ))}
      </Table>
      {model.versions_total > model.versions.length && (
        <p class="small soft">
          The newest {model.versions.length} of {model.versions_total} versions.
        </p>
      )}
      <h2>What was live when</h2>
      <ol class="card act-history">
        {model.history.map((one) => (
          <li key={one.at} class="bar">
            <Time at={one.at} />
            <b>{one.live ? `version ${one.live}` : "none"}</b>
            <span class="soft small">{one.why || `by ${one.user}`}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function View({model, refresh, query}: {model: ModelInfo; refresh: () => void; query: URLSearchParams}) {
  const [step, ask] = useState<Step | null>(null);
  const [isDeleting, del] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const tab = query.get("tab") ?? "versions";
  const path = modelPath(model.name);
  const go = async (one: Step): Promise<void> => {
    await post(`${path}/${one.act}`, "version" in one ? {version: one.version} : {});
    announce("Done");
    refresh();
  };
  const promotion = (rule: ModelInfo["promotion"]): void =>
    void (rule ? put(`${path}/promotion`, rule) : remove(`${path}/promotion`)).then(
      () => {
        fail(null);
        announce("The rule is stored");
        refresh();
      },
      (error: Problem) => fail(error),
    );
  return (
    <>
      <div class="head">
        <Crumbs href="/processing/models" name="Models" />
        <h1>{model.name}</h1>
        <div class="facts">
          <span>{model.kind}</span>
          {model.live ? <span class="state good">version {model.live} is live</span> : <span class="state">none is live</span>}
          {model.candidate && <span class="state live">version {model.candidate} is a candidate</span>}
          <span>{plural(model.versions_total, "version")}</span>
        </div>
        {model.drift && (
          <p class="note">
            It drifts: {model.drift.stream} is no longer what version {model.drift.version} learned, says{" "}
            <a href={watchHref(model.drift.watch)}>{model.drift.watch}</a> (<Time at={model.drift.at} />
            ).
          </p>
        )}
      </div>
      {may("objects:write") && (
        <div class="bar">
          {model.candidate && (
            <button class="primary" onClick={() => ask({act: "promote", version: model.candidate!})}>
              Promote the candidate
            </button>
          )}
          {model.versions.length > 1 && <button onClick={() => ask({act: "rollback"})}>Roll back</button>}
          <a class="button" href={`/data/objects/models/${inPath(model.name)}`}>
            As an object
          </a>
          <button class="danger" onClick={() => del(true)}>
            Delete …
          </button>
        </div>
      )}
      {problem && <ProblemBox problem={problem} />}
      <Tabs tabs={TABS} label="About this model" />
      {tab === "compare" ? (
        <Compare model={model} query={query} />
      ) : tab === "promotion" ? (
        <Promotion model={model} store={promotion} />
      ) : (
        <Versions model={model} ask={ask} />
      )}
      {step && (
        <Ask title={STEPS[step.act].title(step)} act={STEPS[step.act].button} go={() => go(step)} close={() => ask(null)}>
          <p>{STEPS[step.act].about}</p>
        </Ask>
      )}
      {isDeleting && (
        <Ask
          title={`Delete ${model.name}?`}
          act="Delete it"
          isDanger
          close={() => del(false)}
          go={async () => {
            await remove(path);
            navigate("/processing/models");
          }}>
          <p>All its versions go.</p>
        </Ask>
      )}
    </>
  );
}

export default function ModelPage({params, query}: PageProps) {
  const model = useResource<ModelInfo>(modelPath(params["name"] ?? ""), {on: ["model."]});
  return (
    <div class="page">
      <Shown resource={model} what="Reading the model">
        {(found) => <View model={found} refresh={model.refresh} query={query} />}
      </Shown>
      {!model.data && <h1 class="sr">{params["name"]}</h1>}
    </div>
  );
}
