/** One object: what is in it, what fits it, its versions, where it came from. */
import {useState} from "preact/hooks";
import {inPath, Problem} from "../../api/client";
import {may} from "../../api/session";
import type {ObjectInfo, Preview} from "../../api/types";
import {withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {bytes} from "../../text";
import {ProblemBox, Shown, Tabs, Tag, Time} from "../../ui";
import {EditTags, Remove} from "./object-dialogs";
import {Lineage} from "./object-lineage";
import {PreviewTab} from "./object-preview";
import {fileName, Versions} from "./object-versions";
import {OpenInNotebook} from "./open-in-notebook";
import {Profile} from "./profile";
import "./data.css";

const TABS: [string, string][] = [["preview", "Preview"], ["profile", "Columns"], ["versions", "Versions"], ["lineage", "Lineage"]];

export default function ObjectPage({params, query}: PageProps) {
  const name = params["name"] ?? "";
  const version = /^\d+$/.test(query.get("version") ?? "") ? query.get("version") : null;
  const info = useResource<ObjectInfo>(`/v1/objects/${inPath(name)}?view=info${version ? `&version=${version}` : ""}`, {on: ["object."]});
  const tab = query.get("tab") ?? "preview";
  return (
    <div class="page">
      <div class="head">
        <Above name={name} />
        <h1><bdi>{name}</bdi></h1>
        {info.problem?.status === 404 ? <Gone problem={info.problem} version={version} />
          : <Shown resource={info}>{(one) => <Facts info={one} changed={info.refresh} />}</Shown>}
        {info.data && !info.data.latest && (
          <p class="note">This is version {info.data.version}, not the newest. <a href={withQuery({version: null})}>Show the newest</a></p>
        )}
        {info.data && <Tabs tabs={TABS} label="Views of the object" />}
      </div>
      {info.data && tab === "preview" && <PreviewTab key={info.data.version} info={info.data} />}
      {info.data && tab === "profile" && <ProfileTab name={name} version={info.data.version} />}
      {info.data && tab === "versions" && <Versions name={name} shown={info.data.version} />}
      {info.data && tab === "lineage" && <Lineage info={info.data} />}
    </div>
  );
}

/** The way back: all data, then each folder of the name. */
function Above({name}: {name: string}) {
  const folders = name.split("/").slice(0, -1);
  return (
    <nav class="small above" aria-label="Folders">
      <a href="/data">Data</a>
      {folders.map((folder, at) => {
        const prefix = `${folders.slice(0, at + 1).join("/")}/`;
        return <span key={prefix}> / <a href={`/data?prefix=${encodeURIComponent(prefix)}`}><bdi>{folder}</bdi></a></span>;
      })}
    </nav>
  );
}

function Gone({problem, version}: {problem: Problem; version: string | null}) {
  return (
    <ProblemBox problem={problem}>
      <p>{version ? <a href={withQuery({version: null})}>Show the newest version</a> : <a href="/data">All objects</a>}</p>
    </ProblemBox>
  );
}

function Facts({info, changed}: {info: ObjectInfo; changed: () => void}) {
  const [isEditing, edit] = useState(false);
  const [isRemoving, removing] = useState(false);
  const metadata = Object.entries(info.metadata ?? {});
  return (
    <>
      <div class="facts">
        <span>{bytes(info.size)}</span><span>{info.type}</span><span>version {info.version}</span>
        <span>stored <Time at={info.created_at} /> by {info.created_by}</span>
        {info.tags.map((tag) => <a key={tag} class="plain" href={`/data?tag=${encodeURIComponent(tag)}`}><Tag>{tag}</Tag></a>)}
        {metadata.slice(0, 6).map(([key, value]) => (
          <span key={key}><b>{key}</b> {String(typeof value === "object" ? JSON.stringify(value) : value).slice(0, 80)}</span>
        ))}
      </div>
      <div class="bar">
        <a class="button" href={`/v1/objects/${inPath(info.name)}?version=${info.version}`} download={fileName(info.name)}>Download</a>
        {may("notebooks:write") && <OpenInNotebook name={info.name} />}
        {may("objects:write") && info.latest && <>
          <button class="quiet" onClick={() => edit(true)}>Tags and metadata</button>
          <button class="quiet danger" onClick={() => removing(true)}>Delete</button>
        </>}
      </div>
      {isEditing && <EditTags info={info} close={() => (edit(false), changed())} />}
      {isRemoving && <Remove name={info.name} close={() => removing(false)} />}
    </>
  );
}

function ProfileTab({name, version}: {name: string; version: number}) {
  const preview = useResource<Preview>(`/v1/objects/${inPath(name)}?view=preview&version=${version}&wait=30s`);
  return <Shown resource={preview} what="Reading the file">{(one) => <Profile preview={one} />}</Shown>;
}
