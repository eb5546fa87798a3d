/** A trigger's form: what fires it, what it starts, how often at most. */
import {useState} from "preact/hooks";
import type {TriggerInfo} from "../../api/acting";
import {mustBeNew, put} from "../../api/client";
import {CheckAt, type Document, DocumentForm, FieldsOf, set, TextAt} from "../../form";
import {announce} from "../../ui";
import {KindChoice} from "../processing/kind-choice";
import {triggerPath} from "../processing/words";
import {kindOf, LIMITS, startOf, STARTS, TRIGGER_KINDS} from "./kinds";

const TAKEN = ["when", "then", "concurrency", "rate_limit", "enabled", "description"];

export const definitionOf = (trigger: TriggerInfo): Document =>
  Object.fromEntries(Object.entries(trigger).filter(([name, value]) => TAKEN.includes(name) && value !== null)) as Document;

export function TriggerForm({
  initial,
  name,
  done,
  close,
}: {
  initial: Document;
  name: string | null;
  done: (name: string) => void;
  close?: () => void;
}) {
  const [document, change] = useState<Document>(initial);
  const kind = kindOf((document["when"] as {kind?: string} | undefined)?.kind);
  const [start, setStart] = useState(startOf(document["then"] as Parameters<typeof startOf>[0]));
  const fields = STARTS.find((one) => one.kind === start)?.fields ?? [];
  const store = async (given: Document): Promise<void> => {
    const {name: typed, ...definition} = given;
    const at = name ?? String(typed ?? "").trim();
    if (name === null) await mustBeNew(triggerPath(at));
    await put(triggerPath(at), definition);
    announce(`${at} is stored`);
    done(at);
  };
  return (
    <DocumentForm
      document={document}
      change={change}
      store={store}
      submit={name ? "Save" : "Make the trigger"}
      more={
        close && (
          <button type="button" onClick={close}>
            Cancel
          </button>
        )
      }>
      <KindChoice label="What fires it" kinds={TRIGGER_KINDS} value={kind.kind} choose={(chosen) => change(set(document, "/when", {kind: chosen}))} />
      <section class="card pad section">
        <div class="fields">{!name && <TextAt at="/name" label="Name" required placeholder="every-morning" />}</div>
        {kind.fields.length > 0 && <FieldsOf key={kind.kind} specs={kind.fields} />}
        <label class="field act-start">
          Then
          <select
            value={start}
            onChange={(event) => {
              setStart(event.currentTarget.value);
              change(set(document, "/then", undefined));
            }}>
            {STARTS.map((one) => (
              <option key={one.kind} value={one.kind}>
                {one.title}
              </option>
            ))}
          </select>
        </label>
        <FieldsOf key={start} specs={fields} />
        <p class="hint">{"{{ event.name }}"} and the like are taken from what fired it.</p>
        <div class="form-checks">
          <CheckAt at="/enabled" label="Enabled" otherwise />
        </div>
      </section>
      <details class="card pad">
        <summary>How often at most</summary>
        <div class="inner">
          <FieldsOf specs={LIMITS} />
        </div>
      </details>
    </DocumentForm>
  );
}
