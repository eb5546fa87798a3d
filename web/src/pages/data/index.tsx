/** Objects: everything that was uploaded or written, found by name and tag. */
import {useState} from "preact/hooks";
import {inPath, type List} from "../../api/client";
import type {ObjectInfo} from "../../api/types";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {bytes} from "../../text";
import {Empty, Shown, Table, Tag, Time} from "../../ui";
import {UploadButton} from "../../upload";
import {DataNav} from "./nav";
import "./data.css";

const EACH = 100;

export default function Objects({query}: PageProps) {
  const text = query.get("q") ?? "";
  const tag = query.get("tag") ?? "";
  const prefix = query.get("prefix") ?? "";
  const isAll = !text && !tag && !prefix;
  const [shown, more] = useState(EACH);
  const wanted = new URLSearchParams({limit: String(Math.min(1000, shown)), ...(text && {q: text}), ...(tag && {tag}), ...(prefix && {prefix})});
  const path = `/v1/objects?${wanted.toString()}`;
  const objects = useResource<List<ObjectInfo>>(path, {on: ["object."]});
  return (
    <div class="page">
      <div class="head"><h1>Data</h1><DataNav /></div>
      <section class="section">
        <div class="bar">
          <input class="filter" type="search" data-filter aria-label="Find by name" placeholder="Find by name" value={text}
            onInput={(event) => navigate(withQuery({q: event.currentTarget.value || null}), {replace: true})} />
          {tag && <a class="tag" href={withQuery({tag: null})} aria-label={`All tags rather than ${tag}`}>{tag} ×</a>}
          {prefix && <a class="tag" href={withQuery({prefix: null})} aria-label={`All names rather than those below ${prefix}`}>{prefix} ×</a>}
          <span class="grow" />
          <UploadButton isPrimary />
        </div>
        <Shown resource={objects}>{({items, next}) => items.length === 0
          ? <Empty title={isAll ? "No objects yet" : "Nothing like that"}>
              {isAll ? <>
                <span>An object is a file of any size: a table, a picture, a model. Drop one anywhere on this page, paste a table, or</span>
                <code>suricate put FILE</code>
              </> : <span>Try a part of the name, or <a href="/data">see all objects</a>.</span>}
            </Empty>
          : <>
              <ObjectTable items={items} />
              {next && <button onClick={() => more(shown + EACH)}>Show more</button>}
            </>}</Shown>
      </section>
    </div>
  );
}

function ObjectTable({items}: {items: ObjectInfo[]}) {
  return (
    <Table label="Objects" head={["Name", "Type", "Size#", "Version#", "Tags", "Changed"]}>
      {items.map((one) => (
        <tr key={one.name}>
          <th scope="row"><a href={`/data/objects/${inPath(one.name)}`}><bdi>{one.name}</bdi></a></th>
          <td class="soft small">{one.type}</td><td class="number">{bytes(one.size)}</td><td class="number soft">{one.version}</td>
          <td>{one.tags.map((tag) => <a key={tag} class="plain" href={withQuery({tag})}><Tag>{tag}</Tag></a>)}</td>
          <td class="soft"><Time at={one.created_at} /></td>
        </tr>
      ))}
    </Table>
  );
}
