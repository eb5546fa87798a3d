/** Silences: what is meant to be quiet, until when, why and by whom. */
import {useState} from "preact/hooks";
import type {Silence} from "../../api/acting";
import {type List, Problem, remove} from "../../api/client";
import {may} from "../../api/session";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {dateTime} from "../../text";
import {announce, Empty, ProblemBox, Shown, Table, Time} from "../../ui";
import {ActingHead} from "../processing/nav";
import {keyWords} from "../processing/words";
import {MakeSilence} from "./make";

const matcherWords = (matchers: Record<string, string>): string =>
  Object.entries(matchers)
    .map(([name, glob]) => `${name} ${name === "key" ? keyWords(glob) : glob}`)
    .join(", ") || "everything";

function everyWords(silence: Silence): string {
  const {every} = silence;
  return every ? `${every.days?.length ? every.days.join(", ") : "every day"} ${every.from} to ${every.to} ${every.zone ?? ""}` : "";
}

export default function Silences({query}: PageProps) {
  const list = useResource<List<Silence>>("/v1/silences", {on: ["silence."], every: 10_000});
  const [problem, fail] = useState<Problem | null>(null);
  const isWriter = may("actions:write");
  const end = (silence: Silence): void =>
    void remove(`/v1/silences/${silence.id}`).then(
      () => {
        announce("The silence is over");
        list.refresh();
      },
      (error: Problem) => fail(error),
    );
  return (
    <div class="page">
      <ActingHead title="Silences" about="What fits a silence is decided and noted, but nothing is sent. Each one ends by itself.">
        {isWriter && (
          <a class="button primary" href="/processing/silences?new">
            New silence
          </a>
        )}
      </ActingHead>
      {problem && <ProblemBox problem={problem} />}
      <Shown resource={list} what="Reading the silences">
        {({items}) =>
          items.length === 0 ? (
            <Empty title="Nothing is silenced">Maintenance tonight? Silence a watch, or some of its keys, for as long as it takes.</Empty>
          ) : (
            <Table label="Silences" head={["What", "Why", "Until", "By", ""]}>
              {items.map((one) => (
                <tr key={one.id} class={one.ended ? "soft" : ""}>
                  <th scope="row">
                    {matcherWords(one.matchers)}
                    {one.every && <small class="soft act-sub">{everyWords(one)}</small>}
                  </th>
                  <td>{one.reason}</td>
                  <td>
                    {one.ended ? "over, " : ""}
                    <Time at={one.until} />
                    <small class="soft act-sub">{dateTime(one.until)}</small>
                  </td>
                  <td class="soft">{one.author}</td>
                  <td>
                    {isWriter && !one.ended && (
                      <button class="quiet danger" onClick={() => end(one)}>
                        End<span class="sr"> the silence of {matcherWords(one.matchers)}</span>
                      </button>
                    )}
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Shown>
      {query.has("new") && isWriter && (
        <MakeSilence
          watch={query.get("watch") ?? ""}
          keyOf={query.get("key") ?? ""}
          close={() => {
            navigate(withQuery({new: null, watch: null, key: null}), {replace: true});
            list.refresh();
          }}
        />
      )}
    </div>
  );
}
