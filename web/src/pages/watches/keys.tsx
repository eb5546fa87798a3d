/** All keys of a watch, by state, a page after the other; each leads to its chart. */
import {useEffect, useState} from "preact/hooks";
import type {WatchInfo, WatchKey} from "../../api/acting";
import {api, type List, Problem} from "../../api/client";
import {navigate, withQuery} from "../../router";
import {useResource} from "../../resource";
import {Empty, ProblemBox, Shown, Table} from "../../ui";
import {LevelTag, Since} from "../processing/parts-acting";
import {figure, keyWords, score, watchPath} from "../processing/words";

const EACH = 100;
const STATES = ["firing", "pending", "cooling", "nodata", "warming", "ok"];

function Rows({items}: {items: WatchKey[]}) {
  return (
    <>
      {items.map((one) => (
        <tr key={one.key ?? ""}>
          <th scope="row">
            <a href={withQuery({tab: null, key: one.key ?? "", state: null})}>{keyWords(one.key)}</a>
          </th>
          <td>
            <span class={`state ${one.state === "firing" ? "bad" : one.state === "ok" ? "good" : ""}`}>
              {one.is_flapping ? `${one.state}, flaps` : one.state}
            </span>
          </td>
          <td>{one.level !== "ok" && <LevelTag level={one.level} />}</td>
          <td class="number">{score(one.score)}</td>
          <td class="number">{figure(one.value)}</td>
          <td class="number soft">{one.low === null ? figure(one.expected) : `${figure(one.low)} to ${figure(one.high)}`}</td>
          <td class="number">{one.episode || ""}</td>
          <td class="soft">
            <Since at={one.opened_at} />
          </td>
          <td class="soft">
            <Since at={one.last_at} />
          </td>
        </tr>
      ))}
    </>
  );
}

export function Keys({watch, query}: {watch: WatchInfo; query: URLSearchParams}) {
  const state = query.get("state") ?? "";
  const path = `${watchPath(watch.name)}/keys?limit=${EACH}${state && `&state=${state}`}`;
  const list = useResource<List<WatchKey>>(path, {on: ["anomaly."], every: 5000});
  const [more, add] = useState<{items: WatchKey[]; next: string | null} | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  useEffect(() => add(null), [path]);
  const next = more ? more.next : (list.data?.next ?? null);
  const go = (): void =>
    void api<List<WatchKey>>(`${path}&cursor=${encodeURIComponent(next ?? "")}`).then(
      (found) => add({items: [...(more?.items ?? []), ...found.items], next: found.next}),
      (error: Problem) => fail(error),
    );
  return (
    <section class="section" aria-label="Keys">
      <div class="act-filters">
        <label class="field small">
          State
          <select value={state} onChange={(event) => navigate(withQuery({state: event.currentTarget.value || null}), {replace: true})}>
            <option value="">any</option>
            {STATES.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Shown resource={list} what="Reading the keys">
        {({items}) =>
          items.length === 0 ? (
            <Empty title={state ? `No key is ${state}` : "No key has been seen yet"} />
          ) : (
            <Table
              label="Keys of the watch"
              head={[watch.definition.by?.join(", ") || "Key", "State", "Level", "Score#", "Value#", "Normal#", "Episodes#", "Since", "Last"]}>
              <Rows items={items} />
              {more && <Rows items={more.items} />}
            </Table>
          )
        }
      </Shown>
      {problem && <ProblemBox problem={problem} />}
      {next && (
        <div>
          <button onClick={go}>Show more keys</button>
        </div>
      )}
    </section>
  );
}
