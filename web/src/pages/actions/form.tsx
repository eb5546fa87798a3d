/** An action's form: the kind, what it asks for, and how careful it is. */
import {useState} from "preact/hooks";
import type {ActionInfo} from "../../api/acting";
import {mustBeNew, put} from "../../api/client";
import {CheckAt, type Document, DocumentForm, FieldsOf, get, set, TextAt} from "../../form";
import {announce} from "../../ui";
import {KindChoice} from "../processing/kind-choice";
import {actionPath} from "../processing/words";
import {ACTION_KINDS, CARE, kindOf} from "./kinds";

/** What the server adds to a definition, and does not take back. */
const GIVEN = ["name", "created_at", "changed_at", "changed_by", "breaker"];

export function definitionOf(action: ActionInfo): Document {
  return Object.fromEntries(Object.entries(action).filter(([name, value]) => !GIVEN.includes(name) && value !== null)) as Document;
}

export function ActionForm({initial, name, done, close}: {initial: Document; name: string | null; done: (name: string) => void; close?: () => void}) {
  const [document, change] = useState<Document>(name ? initial : {...initial, name: ""});
  const kind = kindOf(document["kind"] as string | undefined);
  const choose = (chosen: string): void => {
    const kept = ["/name", "/cooldown", "/rate_limit", "/approval", "/retry", "/enabled", "/dry_run"];
    change(kept.reduce<Document>((made, at) => set(made, at, get(document, at)), {kind: chosen}));
  };
  const store = async (given: Document): Promise<void> => {
    const {name: typed, ...definition} = given;
    const at = name ?? String(typed ?? "").trim();
    if (name === null) await mustBeNew(actionPath(at));
    await put(actionPath(at), {...definition, kind: kind.kind});
    announce(`${at} is stored`);
    done(at);
  };
  return (
    <DocumentForm
      document={document}
      change={change}
      store={store}
      submit={name ? "Save" : "Make the action"}
      more={
        close && (
          <button type="button" onClick={close}>
            Cancel
          </button>
        )
      }>
      {!name && <KindChoice label="What it does" kinds={ACTION_KINDS} value={kind.kind} choose={choose} />}
      <section class="card pad section">
        {!name && (
          <div class="fields">
            <TextAt at="/name" label="Name" required placeholder="page-me" />
          </div>
        )}
        <FieldsOf key={kind.kind} specs={kind.fields} />
        <div class="form-checks">
          <CheckAt at="/enabled" label="Enabled" otherwise />
          <CheckAt at="/dry_run" label="Dry run: decide, but send nothing" />
        </div>
      </section>
      <details class="card pad">
        <summary>How careful it is: limits, approval, retries</summary>
        <div class="inner">
          <FieldsOf specs={CARE} />
        </div>
      </details>
    </DocumentForm>
  );
}
