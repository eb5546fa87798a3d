/** One notebook: /notebooks/NAME. The server holds it; this is a view of it, as good as any other that is open. */
import {effect, useSignal, useSignalEffect} from "@preact/signals";
import {useEffect, useMemo} from "preact/hooks";
import {inPath, post, Problem} from "../../api/client";
import type {PageProps} from "../../routes";
import {Loading, ProblemBox} from "../../ui";
import {Cells} from "./cells";
import {Desk} from "./desk";
import {FollowThis} from "../processing/follow-this";
import {Publish, Restart, RunAsRun} from "./dialogs";
import {NotebookDocument} from "./document";
import {Find} from "./find";
import {listen, pressedInEditor} from "./keyboard";
import {Outline, useHeadings} from "./outline";
import {Snippets} from "./snippets";
import {Toolbar} from "./toolbar";
import {joined} from "./types";
import "./notebooks.css";

interface Completion {
  matches: string[];
  cursor_start: number;
  cursor_end: number;
  metadata?: {_jupyter_types_experimental?: {text: string; type: string}[]};
}

interface Inspection {
  found: boolean;
  data: Record<string, string | string[]>;
}

const OUTLINE = "suricate.outline";

export default function NotebookPage({params}: PageProps) {
  const name = params["name"] ?? "";
  const desk = useMemo(() => new Desk(new NotebookDocument(name)), [name]);
  useEffect(() => start(desk), [desk]);
  useEffect(() => {
    document.title = `${name} · Suricate`;
  }, [name]);
  const {doc} = desk;
  const problem = doc.problem.value;
  return (
    <div class="notebook-page">
      <div class="notebook-head">
        <p class="small"><a href="/notebooks">Notebooks</a></p>
        <h1>{name}</h1>
      </div>
      {doc.isDeleted.value && <p class="note" role="alert">This notebook was deleted. What is shown is what was open; download it to keep it.</p>}
      {problem && (
        <ProblemBox problem={problem}>
          <div>{doc.isLoaded.value ? <button class="quiet" onClick={() => (doc.problem.value = null)}>Close</button>
            : <a class="button" href="/notebooks">All notebooks</a>}</div>
        </ProblemBox>
      )}
      {doc.isLoaded.value ? <Opened desk={desk} /> : !problem && <Loading what="Opening the notebook" />}
    </div>
  );
}

function Opened({desk}: {desk: Desk}) {
  const headings = useHeadings(desk);
  const isOpen = useSignal(localStorage.getItem(OUTLINE) === "open");
  const panel = desk.panel.value;
  useEffect(() => {
    performance.mark("notebook-drawn");
    requestAnimationFrame(() => setTimeout(() => performance.mark("notebook-painted"), 0));
  }, []);
  useSignalEffect(() => localStorage.setItem(OUTLINE, isOpen.value ? "open" : "closed"));
  return (
    <>
      <div class="notebook-top">
        <Toolbar desk={desk} />
        {panel === "find" && <Find desk={desk} />}
        {desk.doc.notice.value && <p class="small soft" role="status">{desk.doc.notice.value}</p>}
      </div>
      <Torn desk={desk} />
      <div class={`notebook ${isOpen.value ? "with-outline" : ""}`}>
        <div class="outline-side">
          <button class="quiet outline-switch" aria-expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)}>
            {isOpen.value ? "Hide outline" : "Outline"}
          </button>
          {isOpen.value && <Outline desk={desk} headings={headings} />}
        </div>
        <Cells desk={desk} />
        <div class="add-cell bar">
          <button class="quiet" onClick={() => add(desk, "code")}>+ Code</button>
          <button class="quiet" onClick={() => add(desk, "markdown")}>+ Text</button>
          <button class="quiet" onClick={() => (desk.panel.value = "snippets")}>+ Snippet</button>
        </div>
      </div>
      {panel === "snippets" && <Snippets desk={desk} />}
      {(panel === "restart" || panel === "restart-and-run") && <Restart desk={desk} isRunningAll={panel === "restart-and-run"} />}
      {panel === "publish" && <Publish desk={desk} />}
      {panel === "run" && <RunAsRun desk={desk} />}
      {panel === "follow" && <FollowThis notebook={desk.doc.name} close={() => (desk.panel.value = null)} />}
    </>
  );
}

/** Cells with two versions, told once above all of them. */
function Torn({desk}: {desk: Desk}) {
  const torn = desk.doc.conflicts.value;
  if (torn.length === 0) return null;
  return (
    <p class="note">
      {torn.length === 1 ? "A cell was changed in two places." : `${torn.length} cells were changed in two places.`}{" "}
      <button class="quiet" onClick={() => desk.select(torn[0]!)}>Show</button>
    </p>
  );
}

function add(desk: Desk, type: "code" | "markdown"): void {
  desk.selected.value = desk.order.at(-1) ?? null;
  desk.anchor.value = null;
  const id = desk.insert("below", type);
  setTimeout(() => desk.edit(id), 30);
}

/** Opens the document, listens for keys, brings the editors; returns how to end all that. */
function start(desk: Desk): () => void {
  const {doc} = desk;
  void doc.open();
  const deaf = listen(desk);
  const unselect = effect(() => {
    const order = doc.order.value;
    if (desk.selected.peek() === null || !doc.cell(desk.selected.peek()!)) desk.selected.value = order[0] ?? null;
  });
  const hidden = (): void => {
    if (document.visibilityState === "hidden") void doc.flush();
  };
  const gone = (): void => doc.sendLast();
  document.addEventListener("visibilitychange", hidden);
  addEventListener("pagehide", gone);
  let isOver = false;
  void import("./code").then(({Editors}) => {
    if (isOver) return;
    desk.editors = new Editors(around(desk));
    if (desk.mode.peek() === "edit") desk.edit();
    else if (desk.selected.peek() !== null) desk.prepare(desk.selected.peek()!);
    performance.mark("notebook-editors");
  });
  return () => {
    isOver = true;
    document.removeEventListener("visibilitychange", hidden);
    removeEventListener("pagehide", gone);
    deaf();
    unselect();
    desk.editors?.close();
    doc.close();
  };
}

function around(desk: Desk): import("./code").Around {
  const {doc} = desk;
  const live = `/v1/notebooks/${inPath(doc.name)}/live`;
  return {
    typed: (id, source) => doc.type(id, source),
    focused: (id) => {
      const before = desk.selected.peek();
      desk.selected.value = id;
      desk.anchor.value = null;
      desk.mode.value = "edit";
      if (before !== null && before !== id && doc.cell(before)?.type.peek() === "markdown") desk.editors?.release(before);
    },
    blurred: () => void doc.flush(),
    press: (event, id, at) => pressedInEditor(event, desk, id, at),
    complete: async (code, cursor) => {
      try {
        doc.notice.value = null;
        const found = await post<Completion>(`${live}/complete?wait=20s`, {code, cursor: points(code, cursor)});
        const types = found.metadata?._jupyter_types_experimental ?? [];
        return {
          matches: found.matches, from: units(code, found.cursor_start), to: units(code, found.cursor_end),
          types: new Map(types.map((one) => [one.text, one.type === "<unknown>" ? "" : one.type])),
        };
      } catch (error) {
        doc.notice.value = error instanceof Problem ? error.detail || error.title : "No completions.";
        return null;
      }
    },
    inspect: async (code, cursor, detail) => {
      try {
        const found = await post<Inspection>(`${live}/inspect?wait=20s`, {code, cursor: points(code, cursor), detail});
        const text = found.data?.["text/plain"];
        return found.found && text !== undefined ? joined(text).replace(/\u001b\[[0-9;]*m/g, "") : null;
      } catch (error) {
        return error instanceof Problem ? error.detail || error.title : "The kernel can't be asked.";
      }
    },
  };
}

/** Kernels count characters, browsers count halves of some. */
const points = (text: string, units: number): number => [...text.slice(0, units)].length;
const units = (text: string, points: number): number => [...text].slice(0, points).join("").length;
