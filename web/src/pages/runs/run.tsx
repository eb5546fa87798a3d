/** One run: how far it is, what it puts out while it goes on, what came of it. */
import type {ComponentChildren} from "preact";
import {useEffect, useState} from "preact/hooks";
import {api, inPath, post, Problem} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {address, navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {bytes, compact, plural, seconds} from "../../text";
import {Outputs} from "../../outputs";
import {announce, Empty, ProblemBox, Progress, Shown, StateBadge, Tabs, Time} from "../../ui";
import {Publish} from "../dashboards/publish";
import {NextSteps} from "../recipes";
import {RunAgain} from "./again";
import {RunDocument} from "./document";
import {LineageView} from "./lineage";
import {Log} from "./log";
import type {RunOutputs} from "./live-outputs";
import {isUnderWay, type Run, short, titleOf, took} from "./model";
import {useOutputs, useSources} from "./use-outputs";
import "./runs.css";

function Head({run}: {run: Run}) {
  const on = run.object ? `?object=${encodeURIComponent(run.object)}` : "";
  const notebook = run.recipe
    ? <a href={`/recipes/${inPath(run.recipe.name)}${on}`}>recipe {run.recipe.name} {run.recipe.version}</a>
    : <a href={`/notebooks/${inPath(run.notebook.name)}`}>{run.notebook.name}, version {run.notebook.version}</a>;
  return (
    <div class="head">
      <p class="small soft"><a href="/runs">Runs</a> / <span class="mono">{run.id}</span></p>
      <h1>{titleOf(run)}</h1>
      <div class="facts">
        <StateBadge state={run.state} />
        <span>{notebook}</span>
        {run.object && <span>on <a href={`/data/objects/${inPath(run.object)}`}>{run.object}</a></span>}
        {run.replay_of && <span>replay of <a href={`/runs/${run.replay_of}`}>an earlier run</a></span>}
        <span>{run.ended_at ? <>ended <Time at={run.ended_at} /></> : <>asked for <Time at={run.created_at} /></>} by {run.user}</span>
        {took(run) && <span class="number">{run.ended_at ? "took" : "since"} {took(run)}</span>}
      </div>
    </div>
  );
}

function Actions({run, refresh, fail}: {run: Run; refresh: () => void; fail: (problem: Problem) => void}) {
  const [dialog, open] = useState<"again" | "publish" | null>(null);
  const attempt = (work: Promise<unknown>): void => void work.catch((error: unknown) => {
    if (error instanceof Problem) fail(error);
  });
  const cancel = async (): Promise<void> => {
    await post(`/v1/runs/${run.id}/cancel`);
    announce("The run is being cancelled");
    refresh();
  };
  const replay = async (): Promise<void> => {
    const made = await post<Run>(`/v1/runs/${run.id}/replay`);
    navigate(`/runs/${made.id}`);
  };
  const download = async (): Promise<void> => {
    const {downloadHtml} = await import("../../export/html");
    await downloadHtml(await api(`/v1/runs/${run.id}/notebook`), titleOf(run));
  };
  const isOver = !isUnderWay(run);
  return (
    <div class="bar">
      {!isOver && may("runs:write") && <button class="danger" onClick={() => attempt(cancel())}>Cancel</button>}
      {may("runs:write") && <button onClick={() => open("again")}>Run again …</button>}
      {isOver && may("runs:write") && (
        <button title="The same notebook, parameters and versions of everything it read" onClick={() => attempt(replay())}>Replay</button>
      )}
      <a class="button" href={`/runs/compare?a=${run.id}`}>Compare …</a>
      {may("runs:write") && <button onClick={() => open("publish")}>Publish …</button>}
      {isOver && run.started_at && <a class="button" href={`/v1/runs/${run.id}/notebook`} download={`${titleOf(run)}.ipynb`}>Download .ipynb</a>}
      {isOver && run.started_at && <button onClick={() => attempt(download())}>Download HTML</button>}
      {dialog === "again" && <RunAgain run={run} close={() => open(null)} />}
      {dialog === "publish" && <Publish run={run.id} title={titleOf(run)} close={() => open(null)} />}
    </div>
  );
}

function How({run}: {run: Run}) {
  const {cells_done, cells_total, fraction, text} = run.progress;
  if (run.state === "queued") return <p class="note">It waits for a place{run.last_error ? `; the attempt before ended: ${run.last_error}` : ""}.</p>;
  return (
    <div class="section" aria-label="Progress" role="group">
      <Progress value={cells_total ? fraction : null} label="Progress of the run" />
      <p class="soft small number">{run.state === "starting" ? "A kernel is being made ready"
        : text || `${cells_done} of ${plural(cells_total, "cell")} done`}</p>
    </div>
  );
}

function Failure({run}: {run: Run}) {
  if (run.error) return <div class="card pad"><Outputs outputs={[{output_type: "error", ...run.error}]} /></div>;
  if (!["failed", "timed_out", "out_of_memory", "interrupted"].includes(run.state)) return null;
  return <ProblemBox problem={{title: run.state === "failed" ? "The run failed" : `The run ended: ${run.state.replace(/_/g, " ")}`, detail: run.reason}} />;
}

function FactList({facts}: {facts: [string, string][]}) {
  return <dl class="run-facts">{facts.map(([name, value]) => <><dt>{name}</dt><dd>{value}</dd></>)}</dl>;
}

function Facts({title, facts, children}: {title: string; facts: [string, string][]; children?: ComponentChildren}) {
  return (
    <div class="card">
      <h2>{title}</h2>
      {facts.length === 0 ? <p class="soft small">None were given.</p> : <FactList facts={facts} />}
      {children}
    </div>
  );
}

/** The result at a glance; all of it stands among the outputs. */
function resultFacts(result: unknown): [string, string][] {
  const told = (value: unknown): string => {
    if (Array.isArray(value)) return value.length <= 6 && value.every((item) => typeof item !== "object") ? value.join(", ") : plural(value.length, "item");
    if (typeof value === "object" && value !== null) return plural(Object.keys(value).length, "value");
    return typeof value === "number" ? compact(value) : short(value);
  };
  if (typeof result !== "object" || result === null || Array.isArray(result)) return [["value", told(result)]];
  return Object.entries(result).slice(0, 20).map(([name, value]) => [name, told(value)]);
}

function Side({run}: {run: Run}) {
  const cost: [string, string][] = [];
  if (run.cost?.cpu_s !== undefined) cost.push(["processor", seconds(run.cost.cpu_s)]);
  if (run.cost?.memory_peak_bytes !== undefined) cost.push(["memory", bytes(run.cost.memory_peak_bytes)]);
  if (run.cost?.waited_s !== undefined) cost.push(["waited", seconds(run.cost.waited_s)]);
  const limits = Object.entries(run.limits).filter(([, value]) => value !== null)
    .map(([name, value]): [string, string] => [`${name.replace(/_/g, " ")}`, String(value)]);
  return (
    <aside class="run-side" aria-label="About the run">
      {run.result !== null && <Facts title="Result" facts={resultFacts(run.result)} />}
      <Facts title="Parameters" facts={Object.entries(run.parameters).map(([name, value]) => [name, short(value)])} />
      <Facts title="Cost" facts={[...cost, ["network", run.network ? "yes" : "none"], ["attempts", String(run.attempt)]]}>
        <details class="small"><summary class="soft">Limits</summary><FactList facts={limits} /></details>
      </Facts>
    </aside>
  );
}

function OutputsTab({run, outputs}: {run: Run; outputs: RunOutputs | null}) {
  const sources = useSources(run);
  const showCode = address.value.query.get("code") === "1";
  return (
    <section class="card pad section" aria-label="Outputs">
      <div class="bar apart">
        <h2>{isUnderWay(run) ? "Outputs so far" : "Outputs"}</h2>
        <label class="check">
          <input type="checkbox" checked={showCode} onChange={() => navigate(withQuery({code: showCode ? null : "1"}), {replace: true})} />Code
        </label>
      </div>
      {outputs && <RunDocument outputs={outputs} sources={sources} showCode={showCode} empty={isUnderWay(run) ? "Nothing yet."
        : "It ended before anything was put out."} />}
    </section>
  );
}

function Figures({run}: {run: Run}) {
  const names = [...new Set(run.figures.map((figure) => figure.name.replace(/\.[a-z]+$/, "")))];
  if (names.length === 0) return <Empty title={isUnderWay(run) ? "Figures are kept when the run has ended" : "The run made no figure"} />;
  return (
    <div class="figures">
      {names.map((name) => {
        const forms = run.figures.filter((figure) => figure.name.startsWith(`${name}.`));
        const shown = forms.find((figure) => figure.type === "image/svg+xml") ?? forms[0]!;
        return (
          <figure class="card pad" key={name}>
            <img src={shown.href} alt={`${name.replace("-", " ")} of ${titleOf(run)}`} loading="lazy" />
            <figcaption class="bar small">
              {name.replace("-", " ")}
              {forms.map((figure) => (
                <a key={figure.name} href={figure.href} download={figure.name}>{figure.name.split(".").at(-1)?.toUpperCase()} ({bytes(figure.bytes)})</a>
              ))}
            </figcaption>
          </figure>
        );
      })}
    </div>
  );
}

const TABS: [string, string][] = [["outputs", "Outputs"], ["figures", "Figures"], ["lineage", "Lineage"], ["log", "Log"]];

function RunView({run, refresh, tab}: {run: Run; refresh: () => void; tab: string}) {
  const outputs = useOutputs(run, refresh);
  const [problem, fail] = useState<Problem | null>(null);
  useEffect(() => {
    document.title = `${titleOf(run)}: ${run.state.replace(/_/g, " ")} · Suricate`;
    announce(`The run is ${run.state.replace(/_/g, " ")}`);
  }, [run.id, run.state]);
  return (
    <>
      <Head run={run} />
      <Actions run={run} refresh={refresh} fail={fail} />
      {problem && <ProblemBox problem={problem} />}
      {run.follow && isUnderWay(run) && <p class="note">This run follows a stream. <a href={`/processing/${run.id}`}>See it under Processing</a>.</p>}
      {isUnderWay(run) && !run.follow && <How run={run} />}
      <NextSteps run={run} />
      <Failure run={run} />
      <div class="run-page two">
        <div class="run-main">
          <Tabs tabs={TABS} label="About this run" />
          {tab === "figures" ? <Figures run={run} /> : tab === "lineage" ? <section class="card pad"><LineageView run={run} /></section>
            : tab === "log" ? <Log run={run} /> : <OutputsTab run={run} outputs={outputs} />}
        </div>
        <Side run={run} />
      </div>
    </>
  );
}

export default function RunPage({params, query}: PageProps) {
  const run = useResource<Run>(`/v1/runs/${encodeURIComponent(params["id"] ?? "")}`, {on: ["run."]});
  return (
    <div class="page">
      <Shown resource={run} what="Reading the run">
        {(found) => <RunView run={found} refresh={run.refresh} tab={query.get("tab") ?? "outputs"} />}
      </Shown>
      {!run.data && <h1 class={run.problem ? "" : "sr"}>Run</h1>}
    </div>
  );
}
