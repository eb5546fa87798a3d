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

const isOurs = (watch: WatchInfo): boolean => watch.name.startsWith("_");

function Row({watch}: {watch: WatchInfo}) {
  const {definition, model} = watch;
  return (
    <tr>
      <th scope="row">
        <a href={watchHref(watch.name)}>{watch.name}</a>
      </th>
      <td>
        <WatchState watch={watch} />
      </td>
      <td>{watch.firing > 0 && <LevelTag level={watch.worst} />}</td>
      <td class="number">{compact(watch.keys)}</td>
      <td class="small">
        {definition.values.join(", ")} <span class="soft">of</span> <a href={`/data/streams/${inPath(definition.stream)}`}>{definition.stream}</a>
      </td>
      <td class="small soft">{model ? `${model.name}, version ${model.version}` : definition.detector.kind}</td>
      <td class="number soft">{watch.lag.seconds ? seconds(watch.lag.seconds) : "–"}</td>
    </tr>
  );
}

export function Watches({list}: {list: Resource<List<WatchInfo>>}) {
  return (
    <section class="section">
      <h2>Watches</h2>
      <Shown resource={list} what="Reading the watches">
        {({items}) => {
          const own = items.filter((one) => !isOurs(one)).toSorted((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1));
          return (
            <>
              {own.length === 0 ? (
                <Empty title="Nothing is watched yet">
                  <span>A watch learns what a stream's numbers normally are and says when they are not: three choices, no code.</span>
                </Empty>
              ) : (
                <Table label="Watches" head={["Name", "State", "Worst", "Keys#", "Watches", "Model", "Behind#"]}>
                  {own.map((one) => (
                    <Row key={one.name} watch={one} />
                  ))}
                </Table>
              )}
              {items.filter(isOurs).map((one) => (
                <p key={one.name} class="small soft bar">
                  Suricate watches itself: <a href={watchHref(one.name)}>{one.name}</a> <WatchState watch={one} />
                </p>
              ))}
            </>
          );
        }}
      </Shown>
    </section>
  );
}
