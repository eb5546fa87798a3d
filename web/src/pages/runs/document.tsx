/** A notebook to be read: its texts and what its cells put out; the code only for who asks. */
import {Markdown, Outputs} from "../../outputs";
import {seconds} from "../../text";
import {Loading, ProblemBox} from "../../ui";
import type {Cell, RunOutputs, SourceCell} from "./live-outputs";
import "./document.css";

const textOf = (source: string | string[]): string => (Array.isArray(source) ? source.join("") : source);

function isPlain(tags: unknown, tag: string): boolean {
  return Array.isArray(tags) && tags.includes(tag);
}

function took(cell: Cell): string | null {
  if (!cell.startedAt || !cell.endedAt) return null;
  const span = (new Date(cell.endedAt).getTime() - new Date(cell.startedAt).getTime()) / 1000;
  return span >= 0.5 ? seconds(span) : null;
}

function Code({source, cell}: {source: string; cell: Cell | undefined}) {
  const time = cell ? took(cell) : null;
  return (
    <div class="doc-code">
      <pre tabIndex={0} aria-label="Code">{source}</pre>
      <span class="soft small number">{cell?.count ? `[${cell.count}]` : ""}{time ? ` ${time}` : ""}</span>
    </div>
  );
}

function CodeCell({source, cell, showCode}: {source: SourceCell | null; cell: Cell | undefined; showCode: boolean}) {
  const isRunning = cell?.status === "running";
  const code = source ? textOf(source.source) : "";
  if (!showCode && !cell?.outputs.length && !isRunning) return null;
  return (
    <div class={`doc-cell ${cell?.status ?? "pending"}`}>
      {showCode && code.trim() && <Code source={code} cell={cell} />}
      {cell && <Outputs outputs={cell.outputs} isLive={isRunning} />}
      {isRunning && !cell.outputs.length && <p class="doc-running soft small">Running …</p>}
    </div>
  );
}

/** `sources` null: the notebook itself is not known, its outputs are all there is. */
export function NotebookView({sources, cells, showCode}: {sources: SourceCell[] | null; cells: Cell[]; showCode: boolean}) {
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const known = new Set(sources?.map((cell) => cell.id) ?? []);
  return (
    <div class="doc">
      {cells.filter((cell) => !known.has(cell.id)).map((cell) => <CodeCell key={cell.id} source={null} cell={cell} showCode={showCode} />)}
      {sources?.map((source) => {
        if (source.cell_type === "markdown") return <div class="doc-cell text" key={source.id}><Markdown source={source.source} /></div>;
        if (source.cell_type !== "code") return null;
        const isInjected = isPlain(source.metadata["tags"], "injected-parameters");
        return <CodeCell key={source.id} source={source} cell={byId.get(source.id)} showCode={showCode && !isInjected} />;
      })}
    </div>
  );
}

/** A run's outputs as they come. `sources` is the notebook while the executed one is not there yet. */
export function RunDocument({outputs, sources, showCode, empty}: {outputs: RunOutputs; sources: SourceCell[] | null; showCode: boolean; empty?: string}) {
  const cells = outputs.cells.value;
  const shown = outputs.sources.value ?? sources;
  if (outputs.problem.value) return <ProblemBox problem={outputs.problem.value} />;
  if (!outputs.isLoaded.value) return <Loading what="Reading the outputs" />;
  if (cells.length === 0 && !shown) return <p class="soft">{empty ?? "Nothing was put out."}</p>;
  return <NotebookView sources={shown} cells={cells} showCode={showCode} />;
}
