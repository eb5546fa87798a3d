/** One cell on the page. Far from the window it is only its text; near it, all of it. */
import {useComputed, useSignalEffect, type ReadonlySignal} from "@preact/signals";
import {useEffect, useRef, useState} from "preact/hooks";
import {Markdown, Outputs} from "../../outputs";
import {plural, seconds} from "../../text";
import type {Cell} from "./cell-model";
import {CellTools} from "./cell-tools";
import {Conflict} from "./conflict";
import {chosen, type Desk} from "./desk";
import {highlight} from "./highlight";
import {InputForm} from "./input";
import {ParameterForm} from "./parameters";
import {tagsOf, type Progress} from "./types";

const WORDS = {code: "Code", markdown: "Text", raw: "Raw"};

export function CellView({cell, desk, isNear}: {cell: Cell; desk: Desk; isNear: ReadonlySignal<boolean>}) {
  if (!isNear.value) {
    return (
      <div id={`cell-${cell.id}`} class="cell far" role="group" aria-label={`${WORDS[cell.type.value]} cell`} tabIndex={-1}><Far cell={cell} /></div>
    );
  }
  return <Near cell={cell} desk={desk} />;
}

/** Text only, and about as high as the whole will be. */
function Far({cell}: {cell: Cell}) {
  return <pre class="plain" ref={(place) => void (place && (place.textContent = cell.source.peek()))} />;
}

function Near({cell, desk}: {cell: Cell; desk: Desk}) {
  const id = cell.id;
  const isSelected = useComputed(() => desk.selected.value === id).value;
  const isChosen = useComputed(() =>
    desk.anchor.value !== null && chosen(desk.doc.order.value, desk.selected.value, desk.anchor.value).includes(id)).value;
  const isEdited = useComputed(() => desk.selected.value === id && desk.mode.value === "edit").value;
  const type = cell.type.value;
  const progress = cell.progress.value;
  const isAsked = useComputed(() => desk.doc.asked.value?.cell === id).value;
  const jupyter = (cell.metadata.value["jupyter"] ?? {}) as {source_hidden?: boolean; outputs_hidden?: boolean};
  const tags = tagsOf(cell.metadata.value);
  const hover = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const classes = ["cell", type, isSelected && "selected", isChosen && "chosen", isEdited && "edited", progress.state, progress.status === "error" && "failed"];
  return (
    <div id={`cell-${id}`} class={classes.filter(Boolean).join(" ")} role="group" tabIndex={isSelected ? 0 : -1}
      aria-label={`${WORDS[type]} cell${cell.count.value !== null ? `, run ${cell.count.value}` : ""}${isSelected ? ", selected" : ""}`}
      onPointerEnter={() => (hover.current = setTimeout(() => desk.prepare(id), 40))} onPointerLeave={() => clearTimeout(hover.current)}
      onFocus={(event) => event.target === event.currentTarget && desk.selected.peek() !== id && desk.select(id, {isByPointer: true})}
      onMouseDown={(event) => chooseByMouse(event, desk, id)}>
      <Gutter cell={cell} desk={desk} />
      <div class="body">
        {isSelected && <CellTools cell={cell} desk={desk} />}
        {tags.length > 0 && <div class="tags">{tags.map((tag) => <span key={tag} class="tag">{tag}</span>)}</div>}
        {cell.theirs.value && <Conflict cell={cell} desk={desk} theirs={cell.theirs.value} />}
        {type === "code" && tags.includes("parameters") && <ParameterForm cell={cell} desk={desk} />}
        {type === "markdown" && !isEdited ? <Drawn cell={cell} desk={desk} />
          : jupyter.source_hidden && !isEdited
            ? <button class="quiet hidden-part" onClick={() => desk.edit(id)}>{firstLine(cell.source.value)} … (code hidden)</button>
          : <Source cell={cell} desk={desk} />}
        {isAsked && desk.doc.asked.value && <InputForm key={progress.started_at ?? ""} asked={desk.doc.asked.value} desk={desk} />}
        {type === "code" && <OutputArea cell={cell} isHidden={jupyter.outputs_hidden === true} desk={desk} />}
      </div>
    </div>
  );
}

function chooseByMouse(event: MouseEvent, desk: Desk, id: string): void {
  const target = event.composedPath()[0] as Element;
  if (event.button !== 0 || (target.getRootNode() as ShadowRoot).host) return;
  if (target.closest("button, a, input, select, textarea, summary, .host, .source")) return;
  desk.select(id, {isByPointer: true, extend: event.shiftKey});
}

const firstLine = (text: string): string => text.split("\n").find((line) => line.trim() !== "")?.slice(0, 80) ?? "empty";

// ---- the source ---------------------------------------------------------------------------------------------------------------

/** Coloured text, and the place where an editor comes and goes. */
function Source({cell, desk}: {cell: Cell; desk: Desk}) {
  const text = useRef<HTMLPreElement>(null);
  const slot = useRef<HTMLDivElement>(null);
  const isNumbered = desk.isNumbered.value && cell.type.value === "code";
  const draw = (): void => {
    const place = text.current;
    if (!place || slot.current?.firstChild) return;
    if (cell.type.peek() === "code") highlight(place, cell.source.peek());
    else place.textContent = cell.source.peek();
  };
  useSignalEffect(() => {
    cell.source.value;
    draw();
  });
  useEffect(() => {
    draw();
    slot.current?.addEventListener("editor-left", draw);
    if (desk.mode.peek() === "edit" && desk.selected.peek() === cell.id && !desk.editors?.hostOf(cell.id)?.view.hasFocus) desk.edit(cell.id);
    return () => {
      if (slot.current?.firstChild) desk.editors?.release(cell.id);
    };
  }, [cell.type.value]);
  return (
    <div class={`source ${isNumbered ? "numbered" : ""}`} onMouseDown={(event) => {
      if (event.button !== 0 || slot.current?.firstChild) return;
      event.preventDefault();
      desk.edit(cell.id, {x: event.clientX, y: event.clientY});
    }}>
      {isNumbered && <pre class="numbers" aria-hidden="true">{cell.source.value.split("\n").map((_, at) => `${at + 1}\n`).join("")}</pre>}
      <div class="slot" ref={slot} data-slot={cell.id} />
      <pre class="plain" ref={text} />
    </div>
  );
}

/** A text cell as it reads. */
function Drawn({cell, desk}: {cell: Cell; desk: Desk}) {
  const source = cell.source.value;
  return (
    <div class="drawn" onDblClick={() => desk.edit(cell.id)}>
      {source.trim() === "" ? <p class="soft">Empty text. Press Enter to write.</p>
        : <Markdown source={source} attachments={cell.attachments as never} />}
    </div>
  );
}

// ---- what came of it ----------------------------------------------------------------------------------------------------------

function OutputArea({cell, isHidden, desk}: {cell: Cell; isHidden: boolean; desk: Desk}) {
  const outputs = cell.outputs.value;
  if (outputs.length === 0) return null;
  if (isHidden) {
    const show = (): void => {
      desk.select(cell.id);
      desk.toggle("outputs");
    };
    return <button class="quiet hidden-part" onClick={show}>{plural(outputs.length, "output")} hidden</button>;
  }
  return <div class="results"><Outputs outputs={outputs} isLive={cell.progress.value.state === "running"} /></div>;
}

function Gutter({cell, desk}: {cell: Cell; desk: Desk}) {
  const progress = cell.progress.value;
  const isCode = cell.type.value === "code";
  return (
    <div class="gutter">
      <span class="grip" draggable title="Drag to move" aria-hidden="true" onDragStart={(event) => {
        event.dataTransfer?.setData("application/x-suricate-cell", cell.id);
        const whole = desk.element(cell.id);
        if (whole) event.dataTransfer?.setDragImage(whole, 20, 12);
      }}>⠿</span>
      {isCode && (
        <span class="count number" title={progress.status === "error" ? "failed" : undefined}>
          [{progress.state === "idle" ? cell.count.value ?? " " : "*"}]
        </span>
      )}
      {isCode && <Took progress={progress} />}
    </div>
  );
}

/** How long it took, or how long it has been running. */
function Took({progress}: {progress: Progress}) {
  const [, tick] = useState(0);
  const isRunning = progress.state === "running";
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, [isRunning]);
  if (progress.state === "queued") return <span class="took">queued</span>;
  if (!progress.started_at) return null;
  const end = isRunning ? Date.now() : progress.ended_at ? Date.parse(progress.ended_at) : null;
  if (end === null) return null;
  const took = Math.max(0, (end - Date.parse(progress.started_at)) / 1000);
  return <span class={`took ${isRunning ? "now" : ""}`}>{isRunning ? seconds(Math.floor(took)) : seconds(took)}</span>;
}
