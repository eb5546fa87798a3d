/** One run that follows: what its last iteration put out, how fast it comes round, where it stands. */
import {useEffect, useState} from "preact/hooks";
import {inPath, type List, Problem} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {address, navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {count, dateTime, plural, seconds} from "../../text";
import {announce, Empty, ProblemBox, Shown, StateBadge, Tabs, Time} from "../../ui";
import {Publish} from "../dashboards/publish";
import {RunDocument} from "../runs/document";
import {LineageView} from "../runs/lineage";
import {Log} from "../runs/log";
import {isUnderWay, type Run, short, titleOf} from "../runs/model";
import {useOutputs, useSources} from "../runs/use-outputs";
import {type Consumer, useConsumers} from "./lag";
import {FollowState, LastError, Numbers, startAgain, stop, Timeline, windowText} from "./parts";
import "./processing.css";
import "../runs/runs.css";

interface Decision {
  id: string;
  action: string;
  parameters: unknown;
  reason: string | null;
  state: string;
  decided_at: string;
  last_error: string | null;
  window?: {start: string; end: string} | null;
}

function Actions({run, refresh}: {run: Run; refresh: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const [isPublishing, publish] = useState(false);
  const attempt = (work: Promise<Run>, then: (run: Run) => void): void => void work.then(then, (error: Problem) => fail(error));
  if (!may("runs:write")) return null;
  return (
    <>
      <div class="bar">
        {isUnderWay(run)
          ? <button class="danger" onClick={() => attempt(stop(run), () => {
            announce("It is being stopped");
            refresh();
          })}>Stop</button>
          : <button class="primary" onClick={() => attempt(startAgain(run), (made) => navigate(`/processing/${made.id}`))}>Start again</button>}
        <button onClick={() => publish(true)}>Publish …</button>
        <a class="button" href={`/runs/${run.id}`}>As a run</a>
      </div>
      {problem && <ProblemBox problem={problem} />}
      {isPublishing && <Publish run={run.id} title={titleOf(run)} close={() => publish(false)} />}
    </>
  );
}

function Place({consumer}: {consumer: Consumer}) {
  return (
    <div class="card">
      <h2><a href={`/data/streams/${inPath(consumer.stream)}`}>{consumer.stream}</a></h2>
      <dl class="run-facts">
        <dt>follows as</dt><dd>{consumer.name}</dd>
        <dt>windows of</dt><dd>{consumer.every}{consumer.slide ? `, every ${consumer.slide}` : ""}</dd>
        {consumer.position?.window_start && <><dt>next window</dt><dd>{dateTime(consumer.position.window_start)}</dd></>}
        {consumer.position?.offset !== null && consumer.position?.offset !== undefined && <><dt>offset</dt>
          <dd class="number">{count(consumer.position.offset)}</dd></>}
        <dt>behind</dt><dd class="number">{plural(consumer.lag.messages, "message")}{consumer.lag.seconds ? `, ${seconds(consumer.lag.seconds)}` : ""}</dd>
        <dt>iterations</dt><dd class="number">{count(consumer.iterations)}</dd>
        {consumer.late > 0 && <><dt>came late</dt><dd class="number">{plural(consumer.late, "message")}</dd></>}
      </dl>
    </div>
  );
}

function Side({run, consumers}: {run: Run; consumers: Consumer[]}) {
  const given = Object.entries(run.parameters);
  return (
    <aside class="run-side" aria-label="Where it stands">
      {consumers.map((consumer) => <Place key={consumer.stream + consumer.name} consumer={consumer} />)}
      {given.length > 0 && (
        <div class="card"><h2>Parameters</h2><dl class="run-facts">{given.map(([name, value]) => <><dt>{name}</dt><dd>{short(value)}</dd></>)}</dl></div>
      )}
    </aside>
  );
}

function OutputsTab({run, refresh}: {run: Run; refresh: () => void}) {
  const outputs = useOutputs(run, refresh);
  const sources = useSources(run);
  const showCode = address.value.query.get("code") === "1";
  return (
    <section class="card pad section" aria-label="Outputs">
      <div class="bar apart">
        <h2>{isUnderWay(run) ? "Outputs, as they change" : "Outputs at the end"}</h2>
        <label class="check">
          <input type="checkbox" checked={showCode} onChange={() => navigate(withQuery({code: showCode ? null : "1"}), {replace: true})} />Code
        </label>
      </div>
      {outputs && <RunDocument outputs={outputs} sources={sources} showCode={showCode} empty="Nothing yet." />}
    </section>
  );
}

function Iterations({run}: {run: Run}) {
  const last = (run.pace?.iterations ?? []).toReversed().slice(0, 30);
  if (last.length === 0) return <Empty title={isUnderWay(run) ? "No window has been committed yet"
    : "They are told while it goes on"}>It waits for a message that closes a window.</Empty>;
  return (
    <div class="card table" tabIndex={0} role="region" aria-label="The last iterations">
      <table>
        <thead><tr><th scope="col">Window</th><th scope="col" class="number">Messages</th><th scope="col" class="number">Took</th>
          <th scope="col" class="number">Decisions</th><th scope="col">When</th></tr></thead>
        <tbody>
          {last.map((one) => (
            <tr key={one.stream + one.consumer + one.iteration}>
              <td>{windowText(one)}</td><td class="number">{count(one.messages)}</td><td class="number">{seconds(one.took_ms / 1000)}</td>
              <td class="number">{one.decisions ? count(one.decisions) : ""}</td><td class="small"><Time at={one.at} /></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Decisions({run}: {run: Run}) {
  const list = useResource<List<Decision>>(`/v1/decisions?run=${run.id}&limit=100`, {on: ["decision."]});
  return (
    <Shown resource={list} what="Reading the decisions">
      {({items}) => (items.length === 0
        ? <Empty title="It has decided nothing">A notebook decides by <code>window.act("action", reason="…")</code>.</Empty>
        : (
          <div class="card table" tabIndex={0} role="region" aria-label="Decisions">
            <table>
              <thead><tr><th scope="col">Action</th><th scope="col">Why</th><th scope="col">Delivery</th><th scope="col">When</th></tr></thead>
              <tbody>
                {items.map((one) => (
                  <tr key={one.id}>
                    <td><b>{one.action}</b> <span class="mono small">{short(one.parameters)}</span></td><td>{one.reason}</td>
                    <td><StateBadge state={one.state} title={one.last_error ?? undefined} /></td><td class="small"><Time at={one.decided_at} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ))}
    </Shown>
  );
}

const TABS: [string, string][] = [["outputs", "Outputs"], ["iterations", "Iterations"], ["decisions", "Decisions"], ["lineage", "Lineage"], ["log", "Log"]];

function Tab({run, refresh, tab}: {run: Run; refresh: () => void; tab: string}) {
  if (tab === "iterations") return <Iterations run={run} />;
  if (tab === "decisions") return <Decisions run={run} />;
  if (tab === "lineage") return <section class="card pad"><LineageView run={run} /></section>;
  if (tab === "log") return <Log run={run} />;
  return <OutputsTab run={run} refresh={refresh} />;
}

function ProcessView({run, refresh, tab}: {run: Run; refresh: () => void; tab: string}) {
  const consumers = useConsumers(run);
  useEffect(() => {
    document.title = `${titleOf(run)} · Suricate`;
  }, [run.id]);
  return (
    <>
      <div class="head">
        <p class="small soft"><a href="/processing">Processing</a> / <span class="mono">{run.id}</span></p>
        <h1>{titleOf(run)}</h1>
        <div class="facts">
          <FollowState run={run} />
          <span><a href={`/notebooks/${inPath(run.notebook.name)}`}>{run.notebook.name}</a>, version {run.notebook.version}</span>
          <span>{run.ended_at ? <>ended <Time at={run.ended_at} /></> : <>started <Time at={run.created_at} /></>} by {run.user}</span>
        </div>
      </div>
      <Actions run={run} refresh={refresh} />
      <LastError run={run} />
      <section class="card pad follow-top" aria-label="Pace">
        <Numbers run={run} consumers={consumers} />
        {isUnderWay(run) && <Timeline iterations={run.pace?.iterations ?? []} />}
      </section>
      <div class="run-page two">
        <div class="run-main"><Tabs tabs={TABS} label="About this run" /><Tab run={run} refresh={refresh} tab={tab} /></div>
        <Side run={run} consumers={consumers} />
      </div>
    </>
  );
}

export default function ProcessPage({params, query}: PageProps) {
  const run = useResource<Run>(`/v1/runs/${encodeURIComponent(params["id"] ?? "")}`, {on: ["run."], every: 1000});
  return (
    <div class="page">
      <Shown resource={run} what="Reading the run">
        {(found) => <ProcessView run={found} refresh={run.refresh} tab={query.get("tab") ?? "outputs"} />}
      </Shown>
      {!run.data && <h1 class={run.problem ? "" : "sr"}>Processing</h1>}
    </div>
  );
}
