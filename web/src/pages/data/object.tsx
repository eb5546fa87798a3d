/** One object: what is in it, what fits it, its versions, where it came from. */
import {useState} from "preact/hooks";
import {inPath, patch, Problem, put, remove, type List} from "../../api/client";
import type {ObjectInfo, Preview} from "../../api/types";
import {AutoChart} from "../../charts";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {bytes, count, plural} from "../../text";
import {Dialog, ProblemBox, Shown, Table, Tabs, Tag, Time} from "../../ui";
import {RecipesThatFit} from "../recipes";
import {ReplayButton} from "./replay";
import {PreviewTable} from "./preview-table";
import {Profile} from "./profile";
import "./data.css";

export default function ObjectPage({params, query}: PageProps) {
  const name = params["name"] ?? "";
  const path = `/v1/objects/${inPath(name)}`;
  const info = useResource<ObjectInfo>(`${path}?view=info`, {on: ["object."]});
  const tab = query.get("tab") ?? "preview";
  const tabs: [string, string][] = [["preview", "Preview"], ["profile", "Columns"], ["versions", "Versions"], ["lineage", "Lineage"]];
  return (
    <div class="page">
      <div class="head">
        <p class="small"><a href="/data">Data</a></p>
        <h1>{name}</h1>
        <Shown resource={info}>{(one) => <Facts info={one} changed={info.refresh} />}</Shown>
        {info.data && <Tabs tabs={tabs} label="Views of the object" />}
      </div>
      {info.data && tab === "preview" && <PreviewTab name={name} version={info.data.version} />}
      {info.data && tab === "profile" && <ProfileTab name={name} version={info.data.version} />}
      {info.data && tab === "versions" && <Versions name={name} />}
      {info.data && tab === "lineage" && <Lineage info={info.data} />}
    </div>
  );
}

function Facts({info, changed}: {info: ObjectInfo; changed: () => void}) {
  const [isEditing, edit] = useState(false);
  const [isRemoving, removing] = useState(false);
  const path = `/v1/objects/${inPath(info.name)}`;
  return (
    <>
      <div class="facts">
        <span>{bytes(info.size)}</span><span>{info.type}</span><span>version {info.version}</span>
        <span>stored <Time at={info.created_at} /> by {info.created_by}</span>
        {info.tags.map((tag) => <Tag key={tag}>{tag}</Tag>)}
      </div>
      <div class="bar">
        <a class="button" href={path} download={info.name.split("/").at(-1)}>Download</a>
        <OpenInNotebook name={info.name} />
        <button class="quiet" onClick={() => edit(true)}>Tags</button>
        <button class="quiet danger" onClick={() => removing(true)}>Delete</button>
      </div>
      {isEditing && <EditTags info={info} close={() => (edit(false), changed())} />}
      {isRemoving && <Remove name={info.name} close={() => removing(false)} />}
    </>
  );
}

function PreviewTab({name, version}: {name: string; version: number}) {
  const preview = useResource<Preview>(`/v1/objects/${inPath(name)}?view=preview&version=${version}`);
  return (
    <>
      <Shown resource={preview} what="Reading the file">{(one) => one.columns?.length ? (
        <>
          <div class="facts">
            <span>{count(one.rows)} rows</span><span>{plural(one.columns.length, "column")}</span>
            {!one.complete && <span>the beginning of the file</span>}
          </div>
          {one.warnings.map((warning) => <p key={warning} class="note">{warning}</p>)}
          <section class="card pad"><AutoChart preview={one} /></section>
          <RecipesThatFit object={name} />
          <section class="section"><PreviewTable preview={one} /></section>
        </>
      ) : <p class="soft">There is no table in this file ({one.kind}). Download it to see it.</p>}</Shown>
      {preview.data?.columns?.length ? <section class="section"><h2>Make it live</h2><ReplayButton object={name} /></section> : null}
    </>
  );
}

function ProfileTab({name, version}: {name: string; version: number}) {
  const preview = useResource<Preview>(`/v1/objects/${inPath(name)}?view=preview&version=${version}`);
  return <Shown resource={preview} what="Reading the file">{(one) => <Profile preview={one} />}</Shown>;
}

function Versions({name}: {name: string}) {
  const path = `/v1/objects/${inPath(name)}`;
  const versions = useResource<List<ObjectInfo>>(`${path}?view=versions`, {on: ["object."]});
  const [problem, fail] = useState<Problem | null>(null);
  const drop = (version: number): void => void remove(`${path}?version=${version}`).then(versions.refresh, fail);
  return (
    <Shown resource={versions}>{({items}) => (
      <>
        {problem && <ProblemBox problem={problem} />}
        <Table label="Versions" head={["Version", "Size#", "Stored", "By", "Content", ""]} kind="versions">
          {items.map((one) => (
            <tr key={one.version}>
              <th scope="row">{one.version}{one.latest && <span class="soft"> newest</span>}</th><td class="number">{bytes(one.size)}</td>
              <td><Time at={one.created_at} /></td><td>{one.run ? <a href={`/runs/${one.run}`}>a run</a> : one.created_by}</td>
              <td class="mono soft" title={one.sha256}>{one.sha256.slice(0, 10)}</td>
              <td>
                <a class="quiet button" href={`${path}?version=${one.version}`} download>Download<span class="sr"> version {one.version}</span></a>
                {items.length > 1 && (
                  <button class="quiet danger" onClick={() => drop(one.version)}>Delete<span class="sr"> version {one.version}</span></button>
                )}
              </td>
            </tr>
          ))}
        </Table>
      </>
    )}</Shown>
  );
}

interface RunLine { id: string; object: string | null; notebook: {name: string}; state: string; created_at: string }

function Lineage({info}: {info: ObjectInfo}) {
  const runs = useResource<List<RunLine>>("/v1/runs?limit=200", {on: ["run."]});
  const origin = info.run
    ? <>This version was written by <a href={`/runs/${info.run}`}>run {info.run.slice(0, 8)}</a>.</>
    : <>This version was uploaded by {info.created_by}.</>;
  return (
    <section class="section">
      <p>{origin}</p>
      <Shown resource={runs}>{({items}) => {
        const used = items.filter((run) => run.object === info.name);
        if (used.length === 0) return <p class="soft">No run was started on it yet.</p>;
        return (
          <ul class="section">
            {used.map((run) => (
              <li key={run.id}><a href={`/runs/${run.id}`}>{run.notebook.name}</a> <span class="soft">{run.state}, <Time at={run.created_at} /></span></li>
            ))}
          </ul>
        );
      }}</Shown>
    </section>
  );
}

/** A new notebook with two cells: what it is about, and reading it. */
function notebookOn(name: string, title: string): object {
  const code = `import suricate as s\n\nframe = s.read(${JSON.stringify(name)})\nframe.head()`;
  return {
    nbformat: 4, nbformat_minor: 5, metadata: {kernelspec: {name: "python3", display_name: "Python 3", language: "python"}},
    cells: [
      {id: "title", cell_type: "markdown", metadata: {}, source: `# ${title}`},
      {id: "read", cell_type: "code", metadata: {}, source: code, outputs: [], execution_count: null},
    ],
  };
}

function OpenInNotebook({name}: {name: string}) {
  const [problem, fail] = useState<Problem | null>(null);
  const open = async (): Promise<void> => {
    const base = name.replace(/\.[a-z0-9]+(\.gz)?$/i, "") || "data";
    const target = `explore/${base}.ipynb`;
    try {
      await put(`/v1/notebooks/${inPath(target)}`, notebookOn(name, base));
      navigate(`/notebooks/${inPath(target)}`);
    } catch (error) {
      fail(error as Problem);
    }
  };
  return <><button onClick={() => void open()}>Open in a notebook</button>{problem && <ProblemBox problem={problem} />}</>;
}

function EditTags({info, close}: {info: ObjectInfo; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget as HTMLFormElement).get("tags") ?? "");
    const tags = text.split(",").map((tag) => tag.trim()).filter(Boolean);
    patch(`/v1/objects/${inPath(info.name)}`, {tags}).then(close, fail);
  };
  return (
    <Dialog title="Tags" close={close}>
      <form class="section" onSubmit={save}>
        {problem && <ProblemBox problem={problem} />}
        <label class="field">Tags, with commas between<input name="tags" defaultValue={info.tags.join(", ")} autofocus /></label>
        <div class="bar"><button class="primary">Save</button><button type="button" onClick={close}>Cancel</button></div>
      </form>
    </Dialog>
  );
}

function Remove({name, close}: {name: string; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  return (
    <Dialog title="Delete the object?" close={close}>
      <p>All versions of <b>{name}</b> are deleted. Runs that read it keep what they made.</p>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar">
        <button class="danger" onClick={() => void remove(`/v1/objects/${inPath(name)}`).then(() => navigate("/data"), fail)}>Delete it</button>
        <button onClick={close} autofocus>Keep it</button>
      </div>
    </Dialog>
  );
}

