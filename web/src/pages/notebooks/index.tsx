/** Notebooks: those that are open with their kernels, all that are stored, new ones and imported ones. */
import {useRef, useState} from "preact/hooks";
import {api, inPath, type List, Problem, remove} from "../../api/client";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {plural} from "../../text";
import {Dialog, Empty, ProblemBox, Shown, Table, Time} from "../../ui";
import {fresh} from "./desk";
import {KernelState} from "./toolbar";
import type {Open} from "./types";
import "./notebooks.css";

interface Info { name: string; version: number; cells: number; created_at: string }
const EACH = 200;
const storeIfNew = (name: string, body: unknown): Promise<unknown> =>
  api(`/v1/notebooks/${inPath(name)}`, {method: "PUT", body, headers: {"If-None-Match": "*", "Content-Type": "application/x-ipynb+json"}});

export default function Notebooks({query}: PageProps) {
  const text = query.get("q") ?? "";
  const [limit, more] = useState(EACH);
  const [isMaking, make] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const wanted = new URLSearchParams({limit: String(Math.min(1000, limit)), ...(text && {q: text})});
  const all = useResource<List<Info>>(`/v1/notebooks?${wanted.toString()}`, {on: ["notebook."]});
  const open = useResource<List<Open>>("/v1/live", {on: ["notebook.", "live."], every: 3000});
  const live = new Map((open.data?.items ?? []).map((one) => [one.name, one]));
  return (
    <div class="page">
      <div class="head">
        <h1>Notebooks</h1>
        <p class="soft">Code, text and results. The server runs them: close the tab, come back, miss nothing.</p>
      </div>
      <div class="bar">
        <button class="primary" onClick={() => make(true)}>New notebook</button>
        <Import fail={fail} />
        <a class="button" href="/recipes">Recipes</a>
        <input class="filter grow" type="search" data-filter aria-label="Find by name" placeholder="Find by name" value={text}
          onInput={(event) => navigate(withQuery({q: event.currentTarget.value || null}), {replace: true})} />
      </div>
      {problem && <ProblemBox problem={problem} />}
      <Shown resource={all}>{({items, next}) => {
        const shown = items.filter((one) => one.name.toLowerCase().includes(text.toLowerCase()));
        if (shown.length === 0) {
          return text ? <Empty title="No notebook by that name"><span>Try a part of the name.</span></Empty>
            : <Empty title="No notebooks yet"><span>Begin with an empty one, import an .ipynb, or let a recipe show how it is done.</span></Empty>;
        }
        return (
          <>
            <NotebookTable items={order(shown, live)} live={live} changed={() => (all.refresh(), open.refresh())} />
            {next && <button onClick={() => more(limit + EACH)}>Show more</button>}
          </>
        );
      }}</Shown>
      {isMaking && <New close={() => make(false)} />}
    </div>
  );
}

/** Open ones first, then the newest. */
function order(items: Info[], live: Map<string, Open>): Info[] {
  return [...items].sort((a, b) => Number(live.has(b.name)) - Number(live.has(a.name)) || b.created_at.localeCompare(a.created_at));
}

function NotebookTable({items, live, changed}: {items: Info[]; live: Map<string, Open>; changed: () => void}) {
  const [doomed, doom] = useState<string | null>(null);
  return (
    <>
      {doomed !== null && <Remove name={doomed} close={() => (doom(null), changed())} />}
      <Table label="Notebooks" head={["Name", "Kernel", "Open in#", "Cells#", "Version#", "Changed", ""]}>
        {items.map((one) => {
          const open = live.get(one.name);
          return (
            <tr key={one.name}>
              <th scope="row"><a href={`/notebooks/${inPath(one.name)}`}>{one.name}</a></th>
              <td>{open && open.kernel.state !== "none" ? <KernelState kernel={open.kernel} /> : <span class="soft small">not running</span>}</td>
              <td class="number soft">{open && open.viewers > 0 ? plural(open.viewers, "tab") : ""}</td>
              <td class="number">{one.cells}</td><td class="number soft">{one.version}</td><td class="soft"><Time at={one.created_at} /></td>
              <td><button class="quiet danger" onClick={() => doom(one.name)}>Delete<span class="sr"> {one.name}</span></button></td>
            </tr>
          );
        })}
      </Table>
    </>
  );
}

function Remove({name, close}: {name: string; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  return (
    <Dialog title="Delete the notebook?" close={close}>
      <p>All versions of <b>{name}</b> are deleted, and its kernel ends. Runs of it keep what they made.</p>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar">
        <button class="danger" onClick={() => void remove(`/v1/notebooks/${inPath(name)}`).then(close, fail)}>Delete it</button>
        <button onClick={close} autofocus>Keep it</button>
      </div>
    </Dialog>
  );
}

const EMPTY = {
  nbformat: 4, nbformat_minor: 5,
  metadata: {kernelspec: {name: "python3", display_name: "Python 3", language: "python"}, language_info: {name: "python"}},
};

const isTaken = (problem: Problem): boolean => problem.status === 412 || problem.status === 409;

function New({close}: {close: () => void}) {
  const [name, type] = useState(() => `untitled-${new Date().toLocaleDateString("en-CA")}`);
  const [problem, fail] = useState<Problem | null>(null);
  const make = (): void => {
    storeIfNew(name, {...EMPTY, cells: [fresh("code", "")]}).then(() => navigate(`/notebooks/${inPath(name)}`), fail);
  };
  return (
    <Dialog title="New notebook" close={close}>
      <form class="section" onSubmit={(event) => (event.preventDefault(), make())}>
        <div class="field">
          <label for="notebook-name">Name</label>
          <input id="notebook-name" required autofocus value={name} onInput={(event) => type(event.currentTarget.value)} />
          <span class="hint">Slashes make folders: nfl/week-1</span>
        </div>
        {problem && <ProblemBox problem={isTaken(problem) ? {title: "There is a notebook by that name already", detail: "Choose another name."} : problem} />}
        <div class="bar"><button class="primary">Create</button><button type="button" onClick={close}>Cancel</button></div>
      </form>
    </Dialog>
  );
}

/** Stores .ipynb files under their names and opens the one, if it is one. */
function Import({fail}: {fail: (problem: Problem | null) => void}) {
  const field = useRef<HTMLInputElement>(null);
  const take = async (files: File[]): Promise<void> => {
    fail(null);
    try {
      const names: string[] = [];
      for (const file of files) names.push(await storeNew(file.name.replace(/\.ipynb$/i, ""), await file.text()));
      if (names.length === 1) navigate(`/notebooks/${inPath(names[0]!)}`);
    } catch (error) {
      fail(error instanceof Problem ? error : new Problem(0, "unknown", "That is no notebook", String(error), null, null, {}));
    }
  };
  return (
    <>
      <button onClick={() => field.current?.click()}>Import .ipynb</button>
      <input ref={field} type="file" accept=".ipynb,application/json" multiple hidden aria-label="Notebook files" onChange={(event) => {
        const files = [...(event.currentTarget.files ?? [])];
        event.currentTarget.value = "";
        if (files.length > 0) void take(files);
      }} />
    </>
  );
}

/** Under the name, or "name-2" … where it is taken; gives the name. */
async function storeNew(name: string, text: string): Promise<string> {
  for (let at = 1; ; at++) {
    const wanted = at === 1 ? name : `${name}-${at}`;
    try {
      await storeIfNew(wanted, text);
      return wanted;
    } catch (error) {
      if (!(error instanceof Problem) || !isTaken(error) || at >= 50) throw error;
    }
  }
}
