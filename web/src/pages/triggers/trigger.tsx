/** One trigger: its definition, its secret URL, when it fired and what came of it. */
import {useState} from "preact/hooks";
import type {TriggerInfo} from "../../api/acting";
import {type List, remove} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Empty, ProblemBox, Shown, Table, Time} from "../../ui";
import {Ask} from "../processing/ask";
import {Crumbs} from "../processing/nav";
import {decisionHref, text, triggerPath} from "../processing/words";
import {at, TriggerState} from ".";
import {FireButton, SecretUrl} from "./fire";
import {definitionOf, TriggerForm} from "./form";
import {thenWords, whenWords} from "./kinds";

interface Firing {
  at?: string;
  fired_at?: string;
  decision?: string | null;
  id?: string;
  outcome?: string;
  state?: string;
  run?: string | null;
  event?: unknown;
  parameters?: unknown;
  reason?: string | null;
}

function Firings({name}: {name: string}) {
  const list = useResource<List<Firing>>(`${triggerPath(name)}/firings?limit=50`, {on: ["trigger.", "decision.", "run."], every: 5000});
  return (
    <section class="section">
      <h2>When it fired</h2>
      <Shown resource={list}>
        {({items}) =>
          items.length === 0 ? (
            <Empty title="It has not fired yet">It can be fired by hand.</Empty>
          ) : (
            <Table label="Firings" head={["When", "What came of it", "Event", "Decision"]}>
              {items.map((one, place) => {
                const when = one.at ?? one.fired_at;
                const decision = one.decision ?? one.id;
                return (
                  <tr key={decision ?? place}>
                    <th scope="row">{when ? <Time at={when} /> : "–"}</th>
                    <td>
                      {one.outcome ?? one.state ?? ""} {one.reason && <span class="soft">{one.reason}</span>}{" "}
                      {one.run && <a href={`/runs/${one.run}`}>run</a>}
                    </td>
                    <td class="mono small soft act-target">{text(one.event ?? one.parameters ?? "")}</td>
                    <td>
                      {decision && (
                        <a href={decisionHref(decision)}>
                          look<span class="sr"> at the decision</span>
                        </a>
                      )}
                    </td>
                  </tr>
                );
              })}
            </Table>
          )
        }
      </Shown>
    </section>
  );
}

function View({trigger, refresh}: {trigger: TriggerInfo; refresh: () => void}) {
  const [isDeleting, del] = useState(false);
  const next = at(trigger["next_at"]);
  const last = at(trigger["last_fired"]);
  const isWriter = may("actions:write");
  return (
    <>
      <div class="head">
        <Crumbs href="/processing/triggers" name="Triggers" />
        <h1>{trigger.name}</h1>
        <div class="facts">
          <TriggerState trigger={trigger} />
          <span>
            {whenWords(trigger.when)} → {thenWords(trigger.then)}
          </span>
          {last && (
            <span>
              fired <Time at={last} />
            </span>
          )}
          {next && (
            <span>
              next <Time at={next} />
            </span>
          )}
        </div>
      </div>
      {typeof trigger["error"] === "string" && <ProblemBox problem={{title: "It fails", detail: trigger["error"]}} />}
      {isWriter && (
        <div class="bar">
          <FireButton name={trigger.name} />
          <button class="danger" onClick={() => del(true)}>
            Delete …
          </button>
        </div>
      )}
      <Firings name={trigger.name} />
      {isWriter && (
        <section class="section" aria-label="Definition">
          <h2>Definition</h2>
          <TriggerForm key={JSON.stringify(definitionOf(trigger))} initial={definitionOf(trigger)} name={trigger.name} done={refresh} />
        </section>
      )}
      {isWriter && trigger.when.kind === "api" && <SecretUrl name={trigger.name} />}
      {isDeleting && (
        <Ask
          title={`Delete ${trigger.name}?`}
          act="Delete it"
          isDanger
          close={() => del(false)}
          go={async () => {
            await remove(triggerPath(trigger.name));
            navigate("/processing/triggers");
          }}>
          <p>It fires no more. What it decided stays on the record.</p>
        </Ask>
      )}
    </>
  );
}

export default function TriggerPage({params}: PageProps) {
  const trigger = useResource<TriggerInfo>(triggerPath(params["name"] ?? ""), {on: ["trigger."], every: 10_000});
  return (
    <div class="page">
      <Shown resource={trigger} what="Reading the trigger">
        {(found) => <View trigger={found} refresh={trigger.refresh} />}
      </Shown>
      {!trigger.data && <h1 class="sr">{params["name"]}</h1>}
    </div>
  );
}
