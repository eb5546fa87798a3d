/** One dashboard: what its notebook or its run shows now. It keeps itself up to date. */
import {useEffect, useState} from "preact/hooks";
import {inPath, type Problem} from "../../api/client";
import {useResource} from "../../resource";
import type {PageProps} from "../../routes";
import {Loading, ProblemBox, Shown, StateBadge, Time} from "../../ui";
import {NotebookView, RunDocument} from "../runs/document";
import type {Run} from "../runs/model";
import {useOutputs, useSources} from "../runs/use-outputs";
import {LiveNotebook} from "./live-notebook";
import type {Dashboard} from "./model";
import "./dashboards.css";

function Gone({problem, what}: {problem: Problem; what: string}) {
  return <ProblemBox problem={problem.status === 404 ? {title: `What it shows is not there any more: ${what}`, detail: problem.detail} : problem} />;
}

function OfNotebook({name, showCode}: {name: string; showCode: boolean}) {
  const [live, set] = useState<LiveNotebook | null>(null);
  useEffect(() => {
    const made = new LiveNotebook(name);
    made.open();
    set(made);
    return () => made.close();
  }, [name]);
  if (live?.problem.value) return <Gone problem={live.problem.value} what={name} />;
  if (!live?.sources.value) return <Loading what="Reading the notebook" />;
  return <NotebookView sources={live.sources.value} cells={live.cells.value} showCode={showCode} />;
}

function RunShown({run, showCode, changed}: {run: Run; showCode: boolean; changed: () => void}) {
  const outputs = useOutputs(run, changed);
  const sources = useSources(run);
  return <>{outputs && <RunDocument outputs={outputs} sources={sources} showCode={showCode} empty="Nothing yet." />}</>;
}

function OfRun({id, showCode}: {id: string; showCode: boolean}) {
  const run = useResource<Run>(`/v1/runs/${encodeURIComponent(id)}`, {on: ["run."]});
  if (run.problem && !run.data) return <Gone problem={run.problem} what={`run ${id}`} />;
  return (
    <Shown resource={run}>
      {(found) => (
        <>
          {!found.ended_at && <p><StateBadge state={found.follow ? "live" : found.state} /></p>}
          <RunShown key={found.id} run={found} showCode={showCode} changed={run.refresh} />
        </>
      )}
    </Shown>
  );
}

function Foot({dashboard}: {dashboard: Dashboard}) {
  const {slug, notebook, run} = dashboard;
  return (
    <p class="bar soft small dash-foot">
      <span>Shows {notebook ? <a href={`/notebooks/${inPath(notebook)}`}>{notebook}</a> : <a href={`/runs/${run}`}>a run</a>} as it is now.
        {" "}Published <Time at={dashboard.changed_at} /> by {dashboard.changed_by}.</span>
      <a href={`/d/${slug}?kiosk=1`}>Without the frame</a><a href="/d">All dashboards</a>
    </p>
  );
}

export default function DashboardPage({params, query}: PageProps) {
  const dashboard = useResource<Dashboard>(`/v1/dashboards/${encodeURIComponent(params["slug"] ?? "")}`, {on: ["dashboard."]});
  const title = dashboard.data?.title;
  const isKiosk = query.get("kiosk") === "1";
  useEffect(() => {
    if (title) document.title = `${title} · Suricate`;
  }, [title]);
  return (
    <div class={`page dash ${isKiosk ? "kiosk" : ""}`}>
      <h1 class={title ? "" : "sr"}>{title ?? "Dashboard"}</h1>
      <Shown resource={dashboard} what="Reading the dashboard">
        {(found) => (
          <>
            <div class="card dash-paper">
              {found.notebook ? <OfNotebook name={found.notebook} showCode={found.show_code} /> : <OfRun id={found.run ?? ""} showCode={found.show_code} />}
            </div>
            {!isKiosk && <Foot dashboard={found} />}
          </>
        )}
      </Shown>
    </div>
  );
}
