/** Two runs side by side: what differs first. */
import {useEffect, useState} from "preact/hooks";
import {type List, Problem} from "../../api/client";
import {useResource} from "../../resource";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {plainText, Outputs} from "../../outputs";
import {bytes, dateTime, seconds} from "../../text";
import {Empty, Loading, ProblemBox, Shown, StateBadge} from "../../ui";
import {type Cell, RunOutputs, type SourceCell} from "./live-outputs";
import {isUnderWay, type Lineage, type Run, short, titleOf} from "./model";
import "./runs.css";

type Row = [name: string, a: string, b: string];

function Pick({name, now, other}: {name: "a" | "b"; now: string | null; other: string | null}) {
  const runs = useResource<List<Run>>("/v1/runs?limit=200", {on: ["run."]});
  const items = runs.data?.items ?? [];
  const first = items.find((run) => run.id === (other ?? now));
  const near = first ? items.filter((run) => run.notebook.name === first.notebook.name) : [];
  const rest = items.filter((run) => !near.includes(run));
  const option = (run: Run) => <option key={run.id} value={run.id}>{titleOf(run)}, {dateTime(run.created_at)}, {run.state}</option>;
  return (
    <label class="field">{name === "a" ? "First run" : "Second run"}
      <select value={now ?? ""} onChange={(event) => navigate(withQuery({[name]: event.currentTarget.value || null}), {replace: true})}>
        <option value="">choose a run</option>
        {now && !items.some((run) => run.id === now) && <option value={now}>{now}</option>}
        {near.length > 0 && <optgroup label="Of the same notebook">{near.map(option)}</optgroup>}
        {rest.length > 0 && <optgroup label="Others">{rest.map(option)}</optgroup>}
      </select>
    </label>
  );
}

function Table({label, rows, none}: {label: string; rows: Row[]; none: string}) {
  return (
    <section class="section" aria-label={label} role="region">
      <h2>{label}</h2>
      {rows.length === 0 ? <p class="soft">{none}</p> : (
        <div class="card table" tabIndex={0} role="group" aria-label={`${label} side by side`}>
          <table class="compare-table">
            <thead><tr><th scope="col"><span class="sr">What</span></th><th scope="col">First</th><th scope="col">Second</th></tr></thead>
            <tbody>{rows.map(([name, a, b]) => (
              <tr key={name} class={a === b ? "" : "differs"}><th scope="row">{name}{a !== b && <span class="sr"> (differs)</span>}</th><td>{a}</td>
                <td>{b}</td></tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

/** What differs first, then by name. */
function sorted(rows: Row[]): Row[] {
  return rows.toSorted(([, a, b], [, c, d]) => Number(a === b) - Number(c === d));
}

function flat(value: unknown, path = "", into: Map<string, string> = new Map()): Map<string, string> {
  if (typeof value === "object" && value !== null && into.size < 500) {
    for (const [name, item] of Object.entries(value)) flat(item, path ? `${path}.${name}` : name, into);
  } else if (into.size < 500) into.set(path || "value", short(value));
  return into;
}

function side(a: Map<string, string>, b: Map<string, string>): Row[] {
  return sorted([...new Set([...a.keys(), ...b.keys()])].map((name): Row => [name, a.get(name) ?? "–", b.get(name) ?? "–"]));
}

function timings(run: Run): Map<string, string> {
  const rows = new Map([["state", run.state.replace(/_/g, " ")], ["asked for", dateTime(run.created_at)]]);
  rows.set("took", run.duration_s === null ? "–" : seconds(run.duration_s));
  if (run.cost?.waited_s !== undefined) rows.set("waited", seconds(run.cost.waited_s));
  if (run.cost?.cpu_s !== undefined) rows.set("processor", seconds(run.cost.cpu_s));
  if (run.cost?.memory_peak_bytes !== undefined) rows.set("memory", bytes(run.cost.memory_peak_bytes));
  return rows;
}

function versions(lineage: Lineage | null): Map<string, string> {
  const rows = new Map<string, string>();
  if (!lineage) return rows;
  const {recipe, notebook, environment} = lineage;
  rows.set(recipe ? `recipe ${recipe.name}` : `notebook ${notebook.name}`, recipe ? recipe.version : `version ${notebook.version}`);
  rows.set("its text", notebook.sha256.slice(0, 12));
  if (environment) rows.set("environment", `${environment.name} ${environment.lock_sha256.slice(0, 12)}`);
  rows.set("server", lineage.server_version ?? "–");
  for (const of of lineage.reads) rows.set(`read ${of.object}`, `version ${of.version}`);
  for (const of of lineage.streams) rows.set(`read ${of.stream}`, `offsets ${of.from} to ${of.to}`);
  for (const of of lineage.writes) rows.set(`wrote ${of.object}`, `version ${of.version}`);
  return rows;
}

function Figures({a, b}: {a: Run; b: Run}) {
  const namesOf = (run: Run): string[] => run.figures.map((figure) => figure.name.replace(/\.[a-z]+$/, ""));
  const names = [...new Set([...namesOf(a), ...namesOf(b)])];
  if (names.length === 0) return null;
  const best = (run: Run, name: string) => run.figures.find((figure) => figure.name === `${name}.svg`)
    ?? run.figures.find((figure) => figure.name.startsWith(`${name}.`));
  return (
    <section class="section" role="region" aria-label="Figures">
      <h2>Figures</h2>
      {names.map((name) => (
        <div class="compare" key={name}>
          {[a, b].map((run, at) => {
            const figure = best(run, name);
            return (
              <figure class="card pad" key={run.id}>
                {figure ? <img src={figure.href} alt={`${name} of the ${at ? "second" : "first"} run`} /> : <p class="soft">No {name} here.</p>}
                <figcaption class="small soft">{at ? "Second" : "First"}</figcaption>
              </figure>
            );
          })}
        </div>
      ))}
    </section>
  );
}

interface Both {
  sources: [SourceCell[] | null, SourceCell[] | null];
  cells: [Cell[], Cell[]];
}

function useBoth(a: Run, b: Run): Both | Problem | null {
  const [both, set] = useState<Both | Problem | null>(null);
  useEffect(() => {
    const runs = [a, b].map((run) => new RunOutputs(run.id)) as [RunOutputs, RunOutputs];
    runs.forEach((outputs, at) => outputs.open(!isUnderWay(at ? b : a)));
    const look = (): void => {
      const problem = runs.find((outputs) => outputs.problem.value)?.problem.value;
      if (problem) set(problem);
      else if (runs.every((outputs) => outputs.isLoaded.value)) set({sources: [runs[0].sources.value, runs[1].sources.value],
        cells: [runs[0].cells.value, runs[1].cells.value]});
    };
    const stops = runs.flatMap((outputs) => [outputs.isLoaded.subscribe(look), outputs.news.subscribe(look), outputs.problem.subscribe(look)]);
    return () => {
      for (const stop of stops) stop();
      for (const outputs of runs) outputs.close();
    };
  }, [a.id, b.id]);
  return both;
}

const pictures = (cell: Cell): string => cell.outputs.map((output) => ("data" in output ? JSON.stringify(output.data) : plainText(output))).join("\n");
/** Colours and memory addresses do not count. */
const said = (cell: Cell | undefined): string => (cell ? pictures(cell).replace(/0x[0-9a-f]{6,}/g, "0x…") : "");

function Differing({a, b}: {a: Run; b: Run}) {
  const both = useBoth(a, b);
  if (both instanceof Problem) return <ProblemBox problem={both} />;
  if (!both) return <Loading what="Reading both runs' outputs" />;
  const [first, second] = both.cells;
  const ids = [...new Set([...first, ...second].map((cell) => cell.id))];
  const pairs = ids.map((id) => [first.find((cell) => cell.id === id), second.find((cell) => cell.id === id)] as const);
  const differing = pairs.filter(([x, y]) => said(x) !== said(y));
  return (
    <section class="section" role="region" aria-label="Outputs that differ">
      <h2>Outputs that differ <span class="soft number">{differing.length} of {pairs.length} cells</span></h2>
      {differing.length === 0 && <p class="soft">All cells put out the same.</p>}
      {differing.map(([x, y]) => (
        <div class="compare" key={(x ?? y)?.id}>
          {[x, y].map((cell, at) => (
            <div class="card pad" key={at} role="group" aria-label={at ? "Second" : "First"}>
              {cell?.outputs.length ? <Outputs outputs={cell.outputs} /> : <p class="soft">Nothing here.</p>}
            </div>
          ))}
        </div>
      ))}
    </section>
  );
}

function Compared({a, b}: {a: Run; b: Run}) {
  const lineageA = useResource<Lineage>(`/v1/runs/${a.id}/lineage`);
  const lineageB = useResource<Lineage>(`/v1/runs/${b.id}/lineage`);
  const strings = (values: Record<string, unknown>): Map<string, string> => new Map(Object.entries(values).map(([name, value]) => [name, short(value)]));
  return (
    <>
      <div class="compare">
        {[a, b].map((run, at) => (
          <div class="card pad head" key={at}>
            <h2><a href={`/runs/${run.id}`}>{titleOf(run)}</a></h2>
            <div class="facts"><StateBadge state={run.state} />{run.object && <span>on {run.object}</span>}<span>{dateTime(run.created_at)}</span></div>
          </div>
        ))}
      </div>
      <Table label="Parameters" rows={side(strings(a.parameters), strings(b.parameters))} none="Neither was given any." />
      <Table label="Result" rows={a.result === null && b.result === null ? [] : side(flat(a.result), flat(b.result))} none="Neither gave a result." />
      <Table label="Time and cost" rows={side(timings(a), timings(b))} none="" />
      <Table label="Versions" rows={side(versions(lineageA.data), versions(lineageB.data))} none="Reading …" />
      <Figures a={a} b={b} />
      <Differing a={a} b={b} />
    </>
  );
}

export default function Compare({query}: PageProps) {
  const a = query.get("a"), b = query.get("b");
  const first = useResource<Run>(a ? `/v1/runs/${encodeURIComponent(a)}` : null, {on: ["run."]});
  const second = useResource<Run>(b ? `/v1/runs/${encodeURIComponent(b)}` : null, {on: ["run."]});
  return (
    <div class="page">
      <div class="head"><p class="small soft"><a href="/runs">Runs</a> / compare</p><h1>Compare runs</h1></div>
      <div class="compare"><Pick name="a" now={a} other={b} /><Pick name="b" now={b} other={a} /></div>
      {!a || !b ? <Empty title="Choose two runs">Their parameters, results, times, versions, figures and outputs are then shown side by side.</Empty> : (
        <Shown resource={first}>{(one) => <Shown resource={second}>{(two) => <Compared key={one.id + two.id} a={one} b={two} />}</Shown>}</Shown>
      )}
    </div>
  );
}
