/** Models: what has been learned, by name, with the version that is live. */
import type {ModelSummary, ModelVersion} from "../../api/acting";
import type {List} from "../../api/client";
import {useResource} from "../../resource";
import {Copy, Empty, Shown, Table, Time} from "../../ui";
import {ActingHead} from "../processing/nav";
import {figure, modelHref, modelPath} from "../processing/words";

const EXAMPLE = `import suricate as s

s.save_model("favourites", model, metrics={"accuracy": 0.91})`;

/** The metrics that say most: what promotion looks at first. */
export function metricWords(metrics: Record<string, number> | undefined, first?: string): string {
  const all = Object.entries(metrics ?? {})
    .filter(([, value]) => typeof value === "number")
    .sort(([a], [b]) => Number(b === first) - Number(a === first));
  return all
    .slice(0, 3)
    .map(([name, value]) => `${name} ${figure(value)}`)
    .join(", ");
}

function LiveMetrics({model}: {model: ModelSummary}) {
  const version = useResource<ModelVersion>(`${modelPath(model.name)}/versions/${model.live}`).data;
  return <>{metricWords(version?.metrics, model.promotion?.metric)}</>;
}

export default function Models() {
  const list = useResource<List<ModelSummary>>("/v1/models", {on: ["model."], every: 10_000});
  return (
    <div class="page">
      <ActingHead title="Models" about="What has been learned: each version with its metrics, one of them live." />
      <Shown resource={list} what="Reading the models">
        {({items}) =>
          items.length === 0 ? (
            <Empty title="No models yet">
              <span>A notebook saves one in a line; the first version is live at once.</span>
              <Copy text={EXAMPLE} label="Copy" />
            </Empty>
          ) : (
            <Table label="Models" head={["Name", "Kind", "Live", "Metrics of the live one", "Candidate", "Versions#", "Changed"]}>
              {items.map((one) => (
                <tr key={one.name}>
                  <th scope="row">
                    <a href={modelHref(one.name)}>{one.name}</a>
                  </th>
                  <td class="soft">{one.kind}</td>
                  <td>
                    {one.live ? <span class="state good">version {one.live}</span> : <span class="soft">none</span>}
                    {one.drift ? <span class="state bad"> drifts</span> : ""}
                  </td>
                  <td class="small">{one.live ? <LiveMetrics model={one} /> : ""}</td>
                  <td>{one.candidate ? <span class="state live">version {one.candidate}</span> : ""}</td>
                  <td class="number">{one.versions_total}</td>
                  <td class="soft">
                    <Time at={one.changed_at} />
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Shown>
    </div>
  );
}
