/** Processing: watches, and notebooks that follow streams, window by window. */
import {useState} from "preact/hooks";
import {inPath, type List, Problem} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {announce, Empty, ProblemBox, Shown, Time} from "../../ui";
import {isUnderWay, type Run, titleOf} from "../runs/model";
import {followedBy, useConsumers} from "./lag";
import {FollowState, LastError, Numbers, startAgain, stop} from "./parts";
import {startSample} from "./sample";
import {Watches, useWatches} from "../watches/list";
import {Approvals} from "../decisions/approvals";
import {KillSwitch} from "../actions/kill-switch";
import {ActingHead} from "./nav";
import {Start} from "./start";
import "./processing.css";

function Streams({run}: {run: Run}) {
  const streams = followedBy(run);
  if (streams.length === 0) return <span class="soft">{isUnderWay(run) ? "no window yet" : "no stream"}</span>;
  const links = streams.map(({stream, consumer}) => (
    <span key={stream + consumer}>follows <a href={`/data/streams/${inPath(stream)}`}>{stream}</a> as {consumer}</span>
  ));
  return <>{links}</>;
}

function Following({run, refresh}: {run: Run; refresh: () => void}) {
  const consumers = useConsumers(run);
  const [problem, fail] = useState<Problem | null>(null);
  const end = (): void => void stop(run).then(() => {
    announce(`${titleOf(run)} is being stopped`);
    refresh();
  }, (error: Problem) => fail(error));
  return (
    <li class="card pad follow-card" aria-label={titleOf(run)}>
      <div class="bar apart">
        <h2 class="cut"><a href={`/processing/${run.id}`}>{titleOf(run)}</a></h2>
        <FollowState run={run} />
      </div>
      <p class="facts small"><Streams run={run} /><span>since <Time at={run.created_at} /></span></p>
      <Numbers run={run} consumers={consumers} />
      <LastError run={run} />
      {problem && <ProblemBox problem={problem} />}
      <div class="bar"><a class="button" href={`/processing/${run.id}`}>Look</a>{may("runs:write")
        && <button class="danger" onClick={end}>Stop</button>}</div>
    </li>
  );
}

function Ended({runs}: {runs: Run[]}) {
  const [problem, fail] = useState<Problem | null>(null);
  const again = (run: Run): void => void startAgain(run).then((made) => navigate(`/processing/${made.id}`), (error: Problem) => fail(error));
  if (runs.length === 0) return null;
  return (
    <section class="section">
      <h2>Stopped</h2>
      {problem && <ProblemBox problem={problem} />}
      <ul class="card follow-ended">
        {runs.map((run) => (
          <li key={run.id} class="bar apart">
            <span class="bar grow"><a href={`/processing/${run.id}`}>{titleOf(run)}</a><FollowState run={run} /><span class="facts small">
              <Streams run={run} /></span></span>
            <span class="soft small"><Time at={run.ended_at ?? run.created_at} /></span>
            {may("runs:write") && <button class="quiet" aria-label={`Start again: ${titleOf(run)}`} onClick={() => again(run)}>Start again</button>}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** One button: a game is played again, and a notebook follows it. */
export function SampleButton({isPrimary = false}: {isPrimary?: boolean}) {
  const [isBusy, busy] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const start = (): void => {
    busy(true);
    startSample().then((run) => navigate(`/processing/${run.id}`), (error: Problem) => {
      fail(error);
      busy(false);
    });
  };
  return (
    <>
      <button class={isPrimary ? "primary" : ""} disabled={isBusy} onClick={start}>{isBusy ? "Starting …" : "Play the sample game"}</button>
      {problem && <ProblemBox problem={problem} />}
    </>
  );
}

function Sample({isAlone}: {isAlone: boolean}) {
  return (
    <section class="card pad section sample-card" aria-label="Live sample">
      <h2>Live: a passer's favourite receiver</h2>
      <p>A football game comes again as a stream, a play after the other. A notebook follows it and redraws its chart after each play.</p>
      <div class="bar"><SampleButton isPrimary={isAlone} /></div>
    </section>
  );
}

export default function Processing({query}: PageProps) {
  const options = {on: ["run."], every: 1500};
  const running = useResource<List<Run>>("/v1/runs?follow=true&state=running&limit=200", options);
  const waiting = useResource<List<Run>>("/v1/runs?follow=true&state=queued&limit=200", options);
  const recent = useResource<List<Run>>("/v1/runs?follow=true&limit=50", {on: ["run."]});
  const all = [...(running.data?.items ?? []), ...(waiting.data?.items ?? []), ...(recent.data?.items.filter(isUnderWay) ?? [])];
  const now = all.filter((run, at) => all.findIndex((other) => other.id === run.id) === at).toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const watches = useWatches();
  const isOpen = query.has("start");
  const refresh = (): void => [running, waiting, recent].forEach((resource) => resource.refresh());
  return (
    <div class="page">
      <ActingHead title="Processing" about="What follows streams, window by window: watches that learn what is normal, and notebooks of your own.">
        <KillSwitch />
        {may("actions:write") && <a class="button primary" href="/processing/watches/+new">New watch</a>}
      </ActingHead>
      <Approvals />
      <Watches list={watches} />
      <div class="bar apart"><h2>Notebooks that follow</h2>{may("runs:write") && <a class="button" href="/processing?start=">Start …</a>}</div>
      <Shown resource={recent} what="Reading what follows">
        {({items}) => (
          <>
            {now.length > 0 ? <ul class="follow-list">{now.map((run) => <Following key={run.id} run={run} refresh={refresh} />)}</ul>
              : <Empty title="Nothing follows a stream now"><p>Start a notebook with a loop like <code>for window in s.follow("plays",
                every="10s")</code>, or make one of an analytics notebook.</p></Empty>}
            <Sample isAlone={now.length === 0} />
            <Ended runs={items.filter((run) => !isUnderWay(run))} />
          </>
        )}
      </Shown>
      {isOpen && <Start notebook={query.get("start") || null} stream={query.get("stream")} close={() => {
        if (location.pathname === "/processing") navigate(withQuery({start: null, stream: null}), {replace: true});
      }} />}
    </div>
  );
}
