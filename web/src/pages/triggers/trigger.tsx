/** One trigger: its definition, its secret URL, when it fired and what came of it. */
import {useState} from "preact/hooks";
import type {Firing, TriggerInfo} from "../../api/acting";
import {type List, remove} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Empty, ProblemBox, Shown, Table, Time} from "../../ui";
import {Ask} from "../processing/ask";
import {Crumbs} from "../processing/nav";
import {decisionHref, stateWords, text, triggerPath} from "../processing/words";
import {TriggerState} from ".";
import {FireButton, SecretUrl} from "./fire";
import {definitionOf, TriggerForm} from "./form";
import {thenWords, whenWords} from "./kinds";

const FIRED: Record<string, string> = {fired: "good", queued: "live", faulty: "bad"};

function Firings({name}: {name: string}) {
  const options = {on: ["trigger.", "decision.", "run."], every: 5000};
  const list = useResource<List<Firing>>(`${triggerPath(name)}/firings?limit=50`, options);
  return (
    <section class="section">
      <h2>When it fired</h2>
      <Shown resource={list}>
        {({items}) =>
          items.length === 0 ? (
            <Empty title="It has not fired yet">It can be fired by hand.</Empty>
          ) : (
            <Table label="Firings" head={["When", "What came of it", "Event", "Run", "Decision"]}>
              {items.map((one, place) => (
                <tr key={one.decision ?? `${one.at} ${place}`}>
                  <th scope="row">
                    <Time at={one.at} />
                  </th>
                  <td>
                    <span class={`state ${FIRED[one.state] ?? ""}`}>{one.state}</span>{" "}
                    {one.delivery && <span class="soft">{stateWords(one.delivery)}</span>}
                    {one.reason && <small class="soft act-sub">{one.reason}</small>}
                  </td>
                  <td class="mono small soft act-target">{text(one.event ?? one.parameters ?? "")}</td>
                  <td>{one.run && <a href={`/runs/${one.run}`}>run</a>}</td>
                  <td>
                    {one.decision && (
                      <a href={decisionHref(one.decision)}>
                        look<span class="sr"> at the decision</span>
                      </a>
                    )}
                  </td>
                </tr>
              ))}
            </Table>
          )
        }
      </Shown>
    </section>
  );
}

function View({trigger, refresh}: {trigger: TriggerInfo; refresh: () => void}) {
  const [isDeleting, del] = useState(false);
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
          {trigger.last_fired && (
            <span>
              fired <Time at={trigger.last_fired} />
            </span>
          )}
          {trigger.next_at && (
            <span>
              next <Time at={trigger.next_at} />
            </span>
          )}
        </div>
      </div>
      {trigger.error && <ProblemBox problem={{title: "It fails", detail: trigger.error}} />}
      {isWriter && (
        <div class="bar">
          <FireButton name={trigger.name} isPlain />
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
