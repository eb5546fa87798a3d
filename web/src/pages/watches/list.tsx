/** All watches: what fires first. */
import type {WatchInfo} from "../../api/acting";
import type {List} from "../../api/client";
import {inPath} from "../../api/client";
import {type Resource, useResource} from "../../resource";
import {compact, seconds} from "../../text";
import {Empty, Shown, Table} from "../../ui";
import {LevelTag} from "../processing/parts-acting";
import {watchHref} from "../processing/words";
import {WatchState} from "./state";
import "./watches.css";

const ORDER = ["critical", "warning", "info"];
const rank = (watch: WatchInfo): number => (watch.error ? -1 : watch.firing > 0 ? ORDER.indexOf(watch.worst ?? "") : 9);

export const useWatches = (): Resource<List<WatchInfo>> =>
  useResource<List<WatchInfo>>("/v1/watches", {on: ["watch.", "anomaly.", "model."], every: 3000});

export function Watches({list}: {list: Resource<List<WatchInfo>>}) {
  return (
    <section class="section">
      <h2>Watches</h2>
      <Shown resource={list} what="Reading the watches">
        {({items}) =>
          items.length === 0 ? (
            <Empty title="Nothing is watched yet">
              <span>A watch learns what a stream's numbers normally are and says when they are not: three choices, no code.</span>
            </Empty>
          ) : (
            <Table label="Watches" head={["Name", "State", "Worst", "Keys#", "Watches", "Model", "Behind#"]}>
              {items
                .toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
                .map((one) => (
                  <tr key={one.name}>
                    <th scope="row">
                      <a href={watchHref(one.name)}>{one.name}</a>
                    </th>
                    <td>
                      <WatchState watch={one} />
                    </td>
                    <td>{one.firing > 0 && <LevelTag level={one.worst} />}</td>
                    <td class="number">{compact(one.keys)}</td>
                    <td class="small">
                      {one.definition.values.join(", ")} <span class="soft">of</span>{" "}
                      <a href={`/data/streams/${inPath(one.definition.stream)}`}>{one.definition.stream}</a>
                    </td>
                    <td class="small soft">{one.model ? `${one.model.name}, version ${one.model.version}` : one.definition.detector.kind}</td>
                    <td class="number soft">{one.lag.seconds ? seconds(one.lag.seconds) : "–"}</td>
                  </tr>
                ))}
            </Table>
          )
        }
      </Shown>
    </section>
  );
}
