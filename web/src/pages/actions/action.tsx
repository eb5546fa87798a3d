/** One action: its definition, what it delivered lately. */
import {useState} from "preact/hooks";
import type {ActionInfo, Decision} from "../../api/acting";
import {type List, remove} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Empty, Shown} from "../../ui";
import {Ask} from "../processing/ask";
import {Crumbs} from "../processing/nav";
import {DecisionLines} from "../processing/parts-acting";
import {actionPath} from "../processing/words";
import {ActionState} from ".";
import {ActionForm, definitionOf} from "./form";
import {kindOf, targetWords} from "./kinds";
import {TestButton} from "./test";

function Delivered({name}: {name: string}) {
  const list = useResource<List<Decision>>(`/v1/decisions?action=${encodeURIComponent(name)}&limit=30`, {on: ["decision.", "action."], every: 5000});
  return (
    <section class="section" aria-label="Its decisions">
      <h2>What it was told</h2>
      <Shown resource={list}>
        {({items}) => (items.length === 0 ? <Empty title="Nothing yet">No decision named this action.</Empty> : <DecisionLines items={items} />)}
      </Shown>
    </section>
  );
}

function View({action, refresh}: {action: ActionInfo; refresh: () => void}) {
  const [isDeleting, del] = useState(false);
  const kind = kindOf(action.kind);
  return (
    <>
      <div class="head">
        <Crumbs href="/processing/actions" name="Actions" />
        <h1>{action.name}</h1>
        <div class="facts">
          <ActionState action={action} />
          <span>
            {kind.title}: {kind.about}
          </span>
          <span class="mono small">{targetWords(action)}</span>
        </div>
      </div>
      {may("actions:write") && (
        <div class="bar">
          <TestButton name={action.name} isPlain />
          <button class="danger" onClick={() => del(true)}>
            Delete …
          </button>
        </div>
      )}
      <section class="section" aria-label="Definition">
        <h2>Definition</h2>
        <ActionForm key={JSON.stringify(definitionOf(action))} initial={definitionOf(action)} name={action.name} done={refresh} />
      </section>
      <Delivered name={action.name} />
      {isDeleting && (
        <Ask
          title={`Delete ${action.name}?`}
          act="Delete it"
          isDanger
          close={() => del(false)}
          go={async () => {
            await remove(actionPath(action.name));
            navigate("/processing/actions");
          }}>
          <p>What waits for it fails. Its decisions stay on the record.</p>
        </Ask>
      )}
    </>
  );
}

export default function ActionPage({params}: PageProps) {
  const action = useResource<ActionInfo>(actionPath(params["name"] ?? ""), {on: ["action."]});
  return (
    <div class="page">
      <Shown resource={action} what="Reading the action">
        {(found) => <View action={found} refresh={action.refresh} />}
      </Shown>
      {!action.data && <h1 class="sr">{params["name"]}</h1>}
    </div>
  );
}
