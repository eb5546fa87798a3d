/** Where an object came from, and what was made of it. */
import {inPath, type List} from "../../api/client";
import type {ObjectInfo, Run} from "../../api/types";
import {useResource} from "../../resource";
import {Empty, Shown, StateBadge, Table, Time} from "../../ui";

export function Lineage({info}: {info: ObjectInfo}) {
  const runs = useResource<List<Run>>("/v1/runs?limit=200", {on: ["run."]});
  const versions = useResource<List<ObjectInfo>>(`/v1/objects/${inPath(info.name)}?view=versions`, {on: ["object."]});
  return (
    <>
      <section class="section">
        <h2>Where it came from</h2>
        <Shown resource={versions}>{({items}) => (
          <ul class="lineage">
            {items.map((one) => (
              <li key={one.version}>
                Version {one.version}{" "}
                {one.run ? <>was written by <a href={`/runs/${one.run}`}>run {one.run.slice(0, 8)}</a></> : <>was stored by {one.created_by}</>},{" "}
                <span class="soft"><Time at={one.created_at} /></span>
              </li>
            ))}
          </ul>
        )}</Shown>
      </section>
      <section class="section">
        <h2>Runs on it</h2>
        <Shown resource={runs}>{({items}) => {
          const used = items.filter((run) => run.object === info.name);
          if (used.length === 0) return <Empty title="No run was started on it yet"><a href="?tab=preview">See which recipes fit it</a></Empty>;
          return (
            <Table label="Runs on it" head={["Run", "State", "Started"]}>
              {used.map((run) => (
                <tr key={run.id}>
                  <th scope="row"><a href={`/runs/${run.id}`}>{run.label ?? run.recipe?.name ?? run.notebook.name}</a></th>
                  <td><StateBadge state={run.state} /></td><td class="soft"><Time at={run.created_at} /></td>
                </tr>
              ))}
            </Table>
          );
        }}</Shown>
      </section>
    </>
  );
}
