/** Versions: read an old one, store it again as the newest, delete one. */
import {useState} from "preact/hooks";
import {inPath, Problem, remove, type List} from "../../api/client";
import {may} from "../../api/session";
import type {ObjectInfo} from "../../api/types";
import {withQuery} from "../../router";
import {useResource} from "../../resource";
import {bytes} from "../../text";
import {Dialog, ProblemBox, Shown, Table, Time} from "../../ui";

export function Versions({name, shown}: {name: string; shown: number}) {
  const path = `/v1/objects/${inPath(name)}`;
  const versions = useResource<List<ObjectInfo>>(`${path}?view=versions`, {on: ["object."]});
  const [removing, ask] = useState<number | null>(null);
  return (
    <Shown resource={versions}>{({items}) => (
      <>
        <Table label="Versions" head={["Version", "Size#", "Stored", "By", "Content", ""]} kind="versions">
          {items.map((one) => (
            <tr key={one.version}>
              <th scope="row">
                <a href={withQuery({tab: null, version: one.latest ? null : String(one.version)})}>Version {one.version}</a>
                {one.latest && <span class="soft"> newest</span>}{one.version === shown && <span class="soft"> shown</span>}
              </th>
              <td class="number">{bytes(one.size)}</td>
              <td><Time at={one.created_at} /></td><td>{one.run ? <a href={`/runs/${one.run}`}>a run</a> : one.created_by}</td>
              <td class="mono soft" title={one.sha256}>{one.sha256.slice(0, 10)}</td>
              <td>
                <a class="quiet button" href={`${path}?version=${one.version}`} download={fileName(name)}>
                  Download<span class="sr"> version {one.version}</span></a>
                {items.length > 1 && may("objects:write") && (
                  <button class="quiet danger" onClick={() => ask(one.version)}>Delete<span class="sr"> version {one.version}</span></button>
                )}
              </td>
            </tr>
          ))}
        </Table>
        {removing !== null && <Remove path={path} version={removing} close={() => (ask(null), versions.refresh())} />}
      </>
    )}</Shown>
  );
}

export const fileName = (name: string): string => name.split("/").at(-1) ?? name;

function Remove({path, version, close}: {path: string; version: number; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  return (
    <Dialog title={`Delete version ${version}?`} close={close}>
      <p>Its content is deleted for good; other versions stay.</p>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar">
        <button class="danger" onClick={() => void remove(`${path}?version=${version}`).then(close, fail)}>Delete it</button>
        <button onClick={close} autofocus>Keep it</button>
      </div>
    </Dialog>
  );
}
