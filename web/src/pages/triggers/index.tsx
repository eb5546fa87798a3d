/** Triggers: what starts by itself. */
import type {TriggerInfo} from "../../api/acting";
import type {List} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Dialog, Empty, Shown, Table} from "../../ui";
import {ActingHead} from "../processing/nav";
import {Since} from "../processing/parts-acting";
import {triggerHref} from "../processing/words";
import {FireButton} from "./fire";
import {TriggerForm} from "./form";
import {thenWords, whenWords} from "./kinds";

const STATES: Record<string, string> = {waiting: "good", working: "live", stopped: "bad"};

export function TriggerState({trigger}: {trigger: TriggerInfo}) {
  const kind = trigger.error ? "bad" : (STATES[trigger.state] ?? "");
  return (
    <span class={`state ${kind}`} title={trigger.error ?? undefined}>
      {trigger.state === "waiting" && trigger.error ? "failing" : trigger.state}
      {trigger.queued > 0 && `, ${trigger.queued} queued`}
    </span>
  );
}

export default function Triggers({query}: PageProps) {
  const list = useResource<List<TriggerInfo>>("/v1/triggers", {on: ["trigger.", "decision."], every: 10_000});
  const close = (): void => navigate("/processing/triggers", {replace: true});
  return (
    <div class="page">
      <ActingHead
        title="Triggers"
        about="What starts a notebook, a recipe or an action by itself: a call, the clock, an object, a message, a run, drift.">
        {may("actions:write") && (
          <a class="button primary" href="/processing/triggers?new">
            New trigger
          </a>
        )}
      </ActingHead>
      <Shown resource={list} what="Reading the triggers">
        {({items}) =>
          items.length === 0 ? (
            <Empty title="No triggers yet">
              Every morning a report, a recipe for each file that arrives, a retraining when a model drifts: each is a trigger.
            </Empty>
          ) : (
            <Table label="Triggers" head={["Name", "Fired by", "Starts", "State", "Fired#", "Last", "Next", ""]}>
              {items.map((one) => (
                <tr key={one.name}>
                  <th scope="row">
                    <a href={triggerHref(one.name)}>{one.name}</a>
                  </th>
                  <td>{whenWords(one.when)}</td>
                  <td>{thenWords(one.then)}</td>
                  <td>
                    <TriggerState trigger={one} />
                  </td>
                  <td class="number">{one.fired}</td>
                  <td class="soft">
                    <Since at={one.last_fired} />
                  </td>
                  <td class="soft">
                    <Since at={one.next_at} />
                  </td>
                  <td>{may("actions:write") && <FireButton name={one.name} />}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Shown>
      {query.has("new") && (
        <Dialog title="New trigger" close={close}>
          <TriggerForm initial={{when: {kind: query.get("new") || "api"}}} name={null} close={close} done={(name) => navigate(triggerHref(name))} />
        </Dialog>
      )}
    </div>
  );
}
