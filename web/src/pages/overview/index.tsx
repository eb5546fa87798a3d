/** The overview: what each of the four concepts holds and does right now, what failed, what to do next. */
import type {ComponentChildren} from "preact";
import {useEffect} from "preact/hooks";
import {Sparkline} from "../../charts/sparkline";
import {useResource} from "../../resource";
import {runsNow} from "../../shell/run-tray";
import {bytes, compact, plural} from "../../text";
import {Shown, Time} from "../../ui";
import {isNew, nextAct, nextAggregate, nextCompute, nextInteract, sum, type Failure, type Overview, type Step} from "./model";
import {Newcomer} from "./newcomer";
import "./overview.css";

const EVENTS = ["object.", "stream.", "run.", "notebook.", "action.", "recipe.", "watch.", "anomaly.", "decision.", "trigger."];

export default function OverviewPage() {
  const overview = useResource<Overview>("/v1/overview", {on: EVENTS, every: 2000});
  useEffect(() => void (runsNow.value = overview.data?.compute ?? null), [overview.data]);
  return (
    <div class="page">
      <h1>Overview</h1>
      <Shown resource={overview}>{(seen) => (
        <>
          {isNew(seen) && <Newcomer />}
          <div class="tiles">
            <Aggregate seen={seen} /><Interact seen={seen} /><Compute seen={seen} /><Act seen={seen} />
          </div>
          {seen.failures.length > 0 && <Failures failures={seen.failures} />}
        </>
      )}</Shown>
    </div>
  );
}

function Tile({title, what, href, facts, rate, next}: {
  title: string; what: string; href: string; facts: [number: string, of: string][]; rate?: {values: number[]; label: string; text: string}; next: Step;
}) {
  return (
    <section class="card pad tile" aria-label={title}>
      <div><h2><a href={href}>{title}</a></h2><p class="soft small">{what}</p></div>
      <dl class="tile-facts">
        {facts.map(([number, of]) => <div key={of}><dt>{of}</dt><dd class="number">{number}</dd></div>)}
      </dl>
      {rate && <div class="tile-rate"><Sparkline values={rate.values} label={rate.label} /><span class="soft small number">{rate.text}</span></div>}
      <a class="tile-next" href={next.href}>{next.text}<span aria-hidden="true"> →</span></a>
    </section>
  );
}

interface Seen { seen: Overview }

/** [1, "object"], [2, "objects"] */
const counted = (value: number, one: string, many = `${one}s`): [string, string] => [compact(value), value === 1 ? one : many];

function Aggregate({seen}: Seen) {
  const {objects, object_bytes, streams, messages, messages_per_s} = seen.aggregate;
  const now = messages_per_s.at(-1) ?? 0;
  return <Tile title="Aggregate" what="Objects and streams come together" href="/data" next={nextAggregate(seen)}
    facts={[counted(objects, "object"), [bytes(object_bytes), "stored"], counted(streams, "stream"), counted(messages, "message")]}
    rate={{values: messages_per_s, label: `Messages a second, of the last minute: ${sum(messages_per_s)} in all, ${now} in the last second`,
      text: `${compact(now)} messages/s`}} />;
}

function Interact({seen}: Seen) {
  const {notebooks, open, recipes} = seen.interact;
  return <Tile title="Interact" what="Notebooks and recipes ask questions" href="/notebooks" next={nextInteract(seen)}
    facts={[counted(notebooks, "notebook"), [compact(open), "open now"], counted(recipes, "recipe")]} />;
}

function Compute({seen}: Seen) {
  const {queued, running, kernels, memory_bytes, finished_1h, failed_1h, runs_per_m} = seen.compute;
  const facts: [string, string][] = [[compact(running), "running"], [compact(queued), "queued"], counted(kernels, "kernel")];
  facts.push(memory_bytes === null ? [compact(failed_1h), "failed, last hour"] : [bytes(memory_bytes), "of memory"]);
  return <Tile title="Compute" what="Runs work it out" href="/runs" next={nextCompute(seen)} facts={facts}
    rate={{values: runs_per_m, label: `Runs that ended, per minute of the last hour: ${finished_1h} in all, ${failed_1h} failed`,
      text: `${plural(finished_1h, "run")} in the last hour`}} />;
}

function Act({seen}: Seen) {
  const {watches, firing, held, decisions_24h, waiting, failed, decisions_per_m} = seen.act;
  return <Tile title="Act" what="Watches decide, actions follow" href="/processing" next={nextAct(seen)}
    facts={[firing > 0 ? [compact(firing), "firing"] : counted(watches, "watch", "watches"), [compact(seen.compute.following), "following"],
      [compact(decisions_24h), "decisions today"], held > 0 ? [compact(held), "to approve"] : failed > 0 ? [compact(failed), "not delivered"]
        : [compact(waiting), "to deliver"]]}
    rate={{values: decisions_per_m, label: `Decisions per minute of the last hour: ${sum(decisions_per_m)} in all`,
      text: `${plural(sum(decisions_per_m), "decision")} in the last hour`}} />;
}

const KINDS: Record<Failure["kind"], string> = {run: "Run", stream: "Stream", delivery: "Delivery"};

function Failures({failures}: {failures: Failure[]}) {
  return (
    <section class="section">
      <h2>What failed last</h2>
      <ul class="card failures">
        {failures.map((one) => (
          <li key={`${one.kind} ${one.href} ${one.at}`}>
            <Cell>{KINDS[one.kind]}</Cell>
            <a href={one.href}>{one.name}</a>
            <span class="cut message" title={one.message}>{one.message}</span>
            <span class="soft small">{one.at && <Time at={one.at} />}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Cell({children}: {children: ComponentChildren}) {
  return <span class="state bad">{children}</span>;
}
