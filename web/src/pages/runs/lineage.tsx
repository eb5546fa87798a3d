/** Where a run's results come from and where they went: a graph of three layers, and the same as a list. */
import {inPath} from "../../api/client";
import {navigate} from "../../router";
import {useResource} from "../../resource";
import {Shown} from "../../ui";
import {count} from "../../text";
import type {Lineage, Run} from "./model";

interface Node {
  kind: string;
  name: string;
  detail: string;
  href: string | null;
}
interface Layers {
  before: Node[];
  run: Node;
  after: Node[];
}

const WIDTH = 236, HEIGHT = 52, GAP = 12, ACROSS = 78;

const version = (of: number): string => `version ${of}`;

export function layersOf(lineage: Lineage, run: Run): Layers {
  const notebook: Node = lineage.recipe
    ? {kind: "recipe", name: lineage.recipe.name, detail: `version ${lineage.recipe.version}`, href: `/recipes/${inPath(lineage.recipe.name)}`}
    : {kind: "notebook", name: lineage.notebook.name, detail: version(lineage.notebook.version), href: `/notebooks/${inPath(lineage.notebook.name)}`};
  const object = (of: {object: string; version: number}): Node => ({kind: "object", name: of.object, detail: version(of.version),
    href: `/data/objects/${inPath(of.object)}?version=${of.version}`});
  const before: Node[] = [notebook, ...lineage.reads.map(object)];
  for (const of of lineage.streams) before.push({kind: "stream", name: of.stream, detail: `offsets ${count(of.from)} to ${count(of.to)}`,
    href: `/data/streams/${inPath(of.stream)}`});
  for (const of of lineage.followed) {
    if (!lineage.streams.some((read) => read.stream === of.stream)) before.push({kind: "stream", name: of.stream,
      detail: `${count(of.windows)} windows, by ${of.consumer}`, href: `/data/streams/${inPath(of.stream)}?tab=consumers`});
  }
  for (const of of lineage.fetches) before.push({kind: "download", name: of.url, detail: of.sha256.slice(0, 12), href: null});
  if (lineage.replay_of) before.push({kind: "replay of", name: lineage.replay_of, detail: "an earlier run", href: `/runs/${lineage.replay_of}`});
  const after: Node[] = newest(lineage.writes).map(object);
  if (run.figures.length) {
    const numbers = new Set(run.figures.map((figure) => figure.name.replace(/\.[a-z]+$/, "")));
    after.push({kind: "figures", name: [...numbers].join(", "), detail: `${numbers.size} in all`, href: `/runs/${run.id}?tab=figures`});
  }
  if (run.result !== null) after.push({kind: "result", name: resultName(run.result), detail: "given by s.result", href: `/runs/${run.id}`});
  const decisions = lineage.followed.reduce((sum, of) => sum + of.decisions, 0);
  if (decisions) after.push({kind: "decisions", name: count(decisions), detail: "made exactly once", href: null});
  return {before, run: {kind: "run", name: run.id, detail: run.state.replace(/_/g, " "), href: null}, after};
}

/** Each object once, by its newest version: a live notebook writes hundreds. */
function newest(writes: Lineage["writes"]): Lineage["writes"] {
  const by = new Map<string, Lineage["writes"][number]>();
  for (const write of writes) if ((by.get(write.object)?.version ?? 0) < write.version) by.set(write.object, write);
  return [...by.values()];
}

function resultName(result: unknown): string {
  if (typeof result !== "object" || result === null) return String(result);
  return Array.isArray(result) ? `${result.length} items` : Object.keys(result).join(", ");
}

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

function Box({node, x, y}: {node: Node; x: number; y: number}) {
  const box = (
    <g class={`node ${node.kind}`} transform={`translate(${x} ${y})`}>
      <title>{`${node.kind} ${node.name}, ${node.detail}`}</title>
      <rect width={WIDTH} height={HEIGHT} rx={9} />
      <text x={13} y={22}>{cut(node.name, 29)}</text>
      <text class="kind" x={13} y={39}>{cut(`${node.kind} · ${node.detail}`, 38)}</text>
    </g>
  );
  if (!node.href) return box;
  const href = node.href;
  return (
    <a href={href} onClick={(event: MouseEvent) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      navigate(href);
    }}>{box}</a>
  );
}

function Graph({layers}: {layers: Layers}) {
  const rows = Math.max(layers.before.length, layers.after.length, 1);
  const height = rows * (HEIGHT + GAP) - GAP + 4;
  const top = (of: number, at: number): number => 2 + (height - 4 - (of * (HEIGHT + GAP) - GAP)) / 2 + at * (HEIGHT + GAP);
  const xs = [1, 1 + WIDTH + ACROSS, 1 + 2 * (WIDTH + ACROSS)] as const;
  const width = (layers.after.length ? xs[2] : xs[1]) + WIDTH + 1;
  const middle = top(1, 0) + HEIGHT / 2;
  const curve = (x1: number, y1: number, x2: number, y2: number): string => `M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`;
  return (
    <div class="lineage" tabIndex={0} role="region" aria-label="Lineage as a graph; the list below says the same">
      <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label="What the run read, and what it made">
        {layers.before.map((_, at) => <path class="edge" key={`b${at}`} d={curve(xs[0] + WIDTH, top(layers.before.length, at) + HEIGHT / 2, xs[1],
          middle)} />)}
        {layers.after.map((_, at) => <path class="edge" key={`a${at}`} d={curve(xs[1] + WIDTH, middle, xs[2], top(layers.after.length, at) + HEIGHT / 2)} />)}
        {layers.before.map((node, at) => <Box key={`b${at}`} node={node} x={xs[0]} y={top(layers.before.length, at)} />)}
        <Box node={layers.run} x={xs[1]} y={top(1, 0)} />
        {layers.after.map((node, at) => <Box key={`a${at}`} node={node} x={xs[2]} y={top(layers.after.length, at)} />)}
      </svg>
    </div>
  );
}

function Rows({title, nodes, none}: {title: string; nodes: Node[]; none: string}) {
  return (
    <section class="section">
      <h3>{title}</h3>
      {nodes.length === 0 ? <p class="soft">{none}</p> : (
        <ul class="run-list">
          {nodes.map((node, at) => (
            <li key={at}><span class="soft">{node.kind}</span> {node.href ? <a href={node.href}>{node.name}</a>
              : <b>{node.name}</b>} <span class="soft">{node.detail}</span></li>
          ))}
        </ul>
      )}
    </section>
  );
}

export function LineageView({run}: {run: Run}) {
  const lineage = useResource<Lineage>(`/v1/runs/${run.id}/lineage`, {on: ["run."], every: run.ended_at ? undefined : 3000});
  return (
    <Shown resource={lineage} what="Reading the lineage">
      {(found) => {
        const layers = layersOf(found, run);
        return (
          <div class="section">
            <h2>Lineage</h2>
            <Graph layers={layers} />
            <Rows title="What went in" nodes={layers.before} none="Nothing." />
            <Rows title="What came out" nodes={layers.after} none="Nothing was written." />
            <p class="soft small">
              {found.environment && <>Environment {found.environment.name} {found.environment.lock_sha256.slice(0, 12)},
                Python {found.environment.python}; </>}
              server {found.server_version}; notebook {found.notebook.sha256.slice(0, 12)}; started by {found.user}.
            </p>
          </div>
        );
      }}
    </Shown>
  );
}
