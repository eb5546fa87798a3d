/** Runs: what is under way and waits, and what has been. */
import {useEffect, useState} from "preact/hooks";
import {api, type List, Problem} from "../../api/client";
import {useResource} from "../../resource";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {plural, seconds} from "../../text";
import {Empty, ProblemBox, Progress, Shown, StateBadge, Time} from "../../ui";
import {isUnderWay, type Run, short, STATES, thumbnail, titleOf, took} from "./model";
import "./runs.css";

const PAGE = 50;

interface Filter {
  state: string | null;
  notebook: string | null;
  recipe: string | null;
}

function addressOf(filter: Filter, limit: number): string {
  const query = new URLSearchParams({limit: String(limit)});
  for (const [name, value] of Object.entries(filter)) if (value) query.set(name, value as string);
  return `/v1/runs?${query}`;
}

function Choice({name, label, values, now}: {name: string; label: string; values: string[]; now: string | null}) {
  const all = now && !values.includes(now) ? [now, ...values] : values;
  return (
    <select aria-label={label} value={now ?? ""} data-filter={name === "state" ? "" : undefined}
      onChange={(event) => navigate(withQuery({[name]: event.currentTarget.value || null}), {replace: true})}>
      <option value="">{label}: any</option>
      {all.map((value) => <option key={value} value={value}>{value.replace(/_/g, " ")}</option>)}
    </select>
  );
}

function Filters({filter}: {filter: Filter}) {
  const notebooks = useResource<List<{name: string}>>("/v1/notebooks?limit=500", {on: ["notebook."]});
  const recipes = useResource<List<{name: string}>>("/v1/recipes", {on: ["recipe."]});
  const names = (list: List<{name: string}> | null): string[] => list?.items.map((item) => item.name) ?? [];
  const isSet = filter.state || filter.notebook || filter.recipe;
  return (
    <div class="bar" role="search" aria-label="Filter runs">
      <Choice name="state" label="State" values={STATES} now={filter.state} />
      <Choice name="notebook" label="Notebook" values={names(notebooks.data)} now={filter.notebook} />
      <Choice name="recipe" label="Recipe" values={names(recipes.data)} now={filter.recipe} />
      {isSet && <button class="quiet" onClick={() => navigate("/runs", {replace: true})}>Show all</button>}
    </div>
  );
}

const hrefOf = (run: Run): string => (run.follow && isUnderWay(run) ? `/processing/${run.id}` : `/runs/${run.id}`);

/** Figures of a run at a glance. */
function Picture({run}: {run: Run}) {
  const figure = thumbnail(run);
  return <span class="run-picture">{figure && <img src={figure.href} alt="" loading="lazy" decoding="async" />}</span>;
}

function About({run}: {run: Run}) {
  const said = Object.entries(run.parameters).filter(([name]) => name !== "object" || !run.object).slice(0, 4);
  return (
    <span class="run-about soft small cut">
      {run.recipe && <span>recipe{run.object && <> on <b>{run.object}</b></>}</span>}
      {said.map(([name, value]) => <span key={name}>{name} <b>{short(value)}</b></span>)}
      {run.replay_of && <span>replay</span>}
    </span>
  );
}

function UnderWay({run}: {run: Run}) {
  const {cells_done, cells_total, fraction, text} = run.progress;
  return (
    <li class="card pad run-live">
      <div class="bar apart">
        <h3 class="cut"><a href={hrefOf(run)}>{titleOf(run)}</a></h3>
        <StateBadge state={run.follow && run.state === "running" ? "following" : run.state} />
      </div>
      <About run={run} />
      {run.state === "queued"
        ? <p class="soft small">Waits since <Time at={run.created_at} /></p>
        : run.follow
          ? <p class="soft small">{run.pace?.iterations_per_m ?? 0} iterations a minute{run.restarts ? `, begun again ${plural(run.restarts, "time")}`
            : ""}</p>
          : <><Progress value={fraction || null} label={`Progress of ${titleOf(run)}`} />
            <p class="soft small number">{text || `${cells_done} of ${plural(cells_total, "cell")}`} · {took(run) ?? "starting"}</p></>}
    </li>
  );
}

function Row({run, isChosen, choose}: {run: Run; isChosen: boolean; choose: (on: boolean) => void}) {
  return (
    <tr>
      <td class="run-pick"><input type="checkbox" checked={isChosen} aria-label={`Choose ${titleOf(run)} of ${run.created_at} to compare`}
        onChange={(event) => choose(event.currentTarget.checked)} /></td>
      <td class="run-name"><div><Picture run={run} /><span class="run-words"><a href={hrefOf(run)}>{titleOf(run)}</a><About run={run} /></span></div></td>
      <td><StateBadge state={run.state} title={run.reason} />{run.error && <span class="run-why small cut">{run.error.ename}: {run.error.evalue}</span>}</td>
      <td class="number">{run.duration_s === null ? "" : seconds(run.duration_s)}</td>
      <td class="small"><Time at={run.ended_at ?? run.created_at} /><span class="soft"> by {run.user}</span></td>
    </tr>
  );
}

function History({runs, chosen, choose}: {runs: Run[]; chosen: string[]; choose: (id: string, on: boolean) => void}) {
  return (
    <div class="card table runs-table" tabIndex={0} role="region" aria-label="Runs">
      <table>
        <thead><tr><th scope="col"><span class="sr">Compare</span></th><th scope="col">Run</th><th scope="col">State</th>
          <th scope="col" class="number">Took</th><th scope="col">When</th></tr></thead>
        <tbody>{runs.map((run) => <Row key={run.id} run={run} isChosen={chosen.includes(run.id)} choose={(on) => choose(run.id, on)} />)}</tbody>
      </table>
    </div>
  );
}

function usePast(filter: Filter) {
  const first = useResource<List<Run>>(addressOf(filter, PAGE), {on: ["run."]});
  const [older, addOlder] = useState<Run[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const key = addressOf(filter, PAGE);
  useEffect(() => {
    addOlder([]);
    setNext(null);
  }, [key]);
  const cursor = older.length ? next : first.data?.next ?? null;
  const more = async (): Promise<void> => {
    try {
      const page = await api<List<Run>>(`${key}&cursor=${encodeURIComponent(cursor ?? "")}`);
      addOlder([...older, ...page.items]);
      setNext(page.next);
    } catch (error) {
      if (error instanceof Problem) fail(error);
    }
  };
  const known = new Set(first.data?.items.map((run) => run.id));
  return {first, runs: [...(first.data?.items ?? []), ...older.filter((run) => !known.has(run.id))], cursor, more, problem};
}

function Queue({filter}: {filter: Filter}) {
  const options = {on: ["run."], every: 1000};
  const wanted = {...filter, state: null};
  const running = useResource<List<Run>>(addressOf({...wanted, state: "running"}, 100), options);
  const starting = useResource<List<Run>>(addressOf({...wanted, state: "starting"}, 100), options);
  const queued = useResource<List<Run>>(addressOf({...wanted, state: "queued"}, 100), options);
  const now = [...(running.data?.items ?? []), ...(starting.data?.items ?? []), ...(queued.data?.items ?? []).toReversed()];
  const once = now.filter((run, at) => now.findIndex((other) => other.id === run.id) === at);
  if (once.length === 0) return null;
  return (
    <section class="section" aria-label="Under way">
      <h2>Under way <span class="soft number">{once.length}</span></h2>
      <ul class="grid">{once.map((run) => <UnderWay key={run.id} run={run} />)}</ul>
    </section>
  );
}

function CompareBar({chosen, clear}: {chosen: string[]; clear: () => void}) {
  if (chosen.length === 0) return <p class="soft small">Choose two runs to compare them.</p>;
  return (
    <div class="bar" role="status">
      {chosen.length === 2 ? <a class="button primary" href={`/runs/compare?a=${chosen[0]}&b=${chosen[1]}`}>Compare these two</a>
        : <span class="soft small">One chosen; choose another to compare.</span>}
      <button class="quiet" onClick={clear}>Choose none</button>
    </div>
  );
}

export default function Runs({query}: PageProps) {
  const filter: Filter = {state: query.get("state"), notebook: query.get("notebook"), recipe: query.get("recipe")};
  const [chosen, choose] = useState<string[]>([]);
  const past = usePast(filter);
  const pick = (id: string, on: boolean): void => choose((old) => (on ? [...old, id].slice(-2) : old.filter((other) => other !== id)));
  return (
    <div class="page">
      <div class="bar apart">
        <h1>Runs</h1>
        <nav class="bar" aria-label="More"><a class="quiet button" href="/processing">Processing</a><a class="quiet button" href="/d">Dashboards</a></nav>
      </div>
      <Filters filter={filter} />
      {(!filter.state || ["queued", "starting", "running"].includes(filter.state)) && <Queue filter={filter} />}
      <Shown resource={past.first} what="Reading the runs">
        {() => {
          const runs = past.runs.filter((run) => !isUnderWay(run));
          if (past.runs.length === 0) {
            return filter.state || filter.notebook || filter.recipe
              ? <Empty title="No run fits"><button onClick={() => navigate("/runs", {replace: true})}>Show all</button></Empty>
              : <Empty title="Nothing has run yet"><p>A run executes a notebook or a recipe and keeps what came of it.</p>
                <div class="bar"><a class="button primary" href="/recipes">Choose a recipe</a>
                  <a class="button" href="/notebooks">Open a notebook</a></div></Empty>;
          }
          return (
            <section class="section" aria-label="History">
              <div class="bar apart"><h2>History</h2><CompareBar chosen={chosen} clear={() => choose([])} /></div>
              {runs.length > 0 ? <History runs={runs} chosen={chosen} choose={pick} /> : <p class="soft">Nothing has ended yet.</p>}
              {past.cursor && <div><button onClick={() => void past.more()}>Show older runs</button></div>}
              {past.problem && <ProblemBox problem={past.problem} />}
            </section>
          );
        }}
      </Shown>
    </div>
  );
}
