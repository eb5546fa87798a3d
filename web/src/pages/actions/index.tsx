/** Actions: where decisions go; and the switch that stops them all. */
import type {ActionInfo} from "../../api/acting";
import type {List} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Dialog, Empty, Shown, Table} from "../../ui";
import {ActingHead} from "../processing/nav";
import {actionHref} from "../processing/words";
import {ActionForm} from "./form";
import {kindOf, targetWords} from "./kinds";
import {KillSwitch} from "./kill-switch";
import {TestButton} from "./test";

export function ActionState({action}: {action: ActionInfo}) {
  if (action.enabled === false) return <span class="state">off</span>;
  const breaker = action["breaker"];
  const isOpen = breaker === "open" || (typeof breaker === "object" && breaker !== null && (breaker as {state?: unknown}).state === "open");
  if (isOpen) return <span class="state bad">its target fails: waiting</span>;
  return action.dry_run ? <span class="state live">dry run</span> : <span class="state good">on</span>;
}

export default function Actions({query}: PageProps) {
  const list = useResource<List<ActionInfo>>("/v1/actions", {on: ["action."], every: 10_000});
  const close = (): void => navigate("/processing/actions", {replace: true});
  return (
    <div class="page">
      <ActingHead title="Actions" about="Where decisions go: each at least once, under one idempotency key.">
        <KillSwitch />
        {may("actions:write") && (
          <a class="button primary" href="/processing/actions?new">
            New action
          </a>
        )}
      </ActingHead>
      <Shown resource={list} what="Reading the actions">
        {({items}) =>
          items.length === 0 ? (
            <Empty title="No actions yet">An action says where decisions go: a webhook, a queue, a mail, a notebook, a command, a size.</Empty>
          ) : (
            <Table label="Actions" head={["Name", "Kind", "Leads to", "State", ""]}>
              {items.map((one) => (
                <tr key={one.name}>
                  <th scope="row">
                    <a href={actionHref(one.name)}>{one.name}</a>
                  </th>
                  <td>{kindOf(one.kind).title}</td>
                  <td class="soft mono small act-target">{targetWords(one)}</td>
                  <td>
                    <ActionState action={one} />
                  </td>
                  <td>{may("actions:write") && <TestButton name={one.name} />}</td>
                </tr>
              ))}
            </Table>
          )
        }
      </Shown>
      {query.has("new") && (
        <Dialog title="New action" close={close}>
          <ActionForm initial={{kind: "webhook"}} name={null} close={close} done={(name) => navigate(actionHref(name))} />
        </Dialog>
      )}
    </div>
  );
}
