/** A watch's form: three choices for a newcomer, everything else with a default below. */
import {useMemo, useState} from "preact/hooks";
import type {DetectorKind, Json} from "../../api/acting";
import {inPath, type List} from "../../api/client";
import {CheckAt, type Document, DocumentForm, FieldsOf, get, ListAt, NumberAt, SelectAt, set, type Spec, TextAt} from "../../form";
import {useResource} from "../../resource";
import type {SchemaField, StreamInfo} from "../../api/types";
import {LevelsField} from "./levels-field";
import {ActionsField} from "./actions-field";
import {levelsOf, TEMPERS} from "./definition";

const NUMERIC = ["int", "float", "bool"];

const TIMES: Spec[] = [
  {at: "/slide", label: "A window begins every", placeholder: "as long as a window is", hint: "absent: windows stand beside each other"},
  {at: "/warm_up", label: "First learn for", placeholder: "0s"},
  {at: "/settle", label: "After an action, look away for", placeholder: "0s"},
  {at: "/verify", label: "An action must have helped within", placeholder: "not checked"},
  {at: "/cooldown", label: "Quiet after an episode for", placeholder: "0s"},
  {at: "/resolve_after", label: "An episode ends by itself after", placeholder: "never"},
  {at: "/nodata/after", label: "No message for", placeholder: "is not minded", hint: "then the key has no data"},
  {
    at: "/nodata/then",
    label: "Then it",
    as: "select",
    options: [
      ["", "–"],
      ["keep", "stays as it was"],
      ["ok", "counts as fine"],
      ["fire", "fires"],
    ],
  },
];
const LIMITS: Spec[] = [
  {at: "/clear", label: "Left after windows below", as: "number", placeholder: "1"},
  {at: "/keys_max", label: "Most keys", as: "number", placeholder: "10000"},
  {
    at: "/group",
    label: "What fires together",
    as: "select",
    options: [
      ["", "as it comes"],
      ["window", "is one decision a window"],
      ["none", "is a decision each"],
    ],
  },
  {
    at: "/from",
    label: "Begin",
    as: "select",
    options: [
      ["", "with what comes now"],
      ["earliest", "with the oldest message"],
    ],
    hint: "from the oldest it learns at once, and decides about the past as well",
  },
  {at: "/learn", label: "First learns from the last", placeholder: "7d", hint: "of what is in the stream already"},
  {at: "/description", label: "What it is for", wide: true},
];

interface Value {
  value: string;
  text: string;
}
function valuesOf(fields: SchemaField[]): Value[] {
  const numbers = fields.filter((one) => NUMERIC.includes(one.kind));
  return [
    ...numbers.map((one) => ({value: `avg(${one.name})`, text: `the mean of ${one.name}`})),
    {value: "count()", text: "how many messages come"},
    ...numbers.map((one) => ({value: `max(${one.name})`, text: `the greatest ${one.name}`})),
  ];
}

/** What the detector itself can be told. */
function DetectorFields({kinds, kind}: {kinds: DetectorKind[]; kind: string}) {
  const found = kinds.find((one) => one.name === kind);
  const specs: Spec[] = (found?.parameters ?? []).map(({name, type, default: otherwise, help}) => ({
    at: `/detector/parameters/${name}`,
    label: name.replace(/_/g, " "),
    hint: help,
    placeholder: otherwise === null ? "" : String(otherwise),
    as: /int|number|float/.test(type) ? "number" : /bool/.test(type) ? "check" : /list|array|object|json/.test(type) ? "json" : "text",
  }));
  return (
    <>
      {found && <p class="hint">{found.summary}</p>}
      {specs.length > 0 && <FieldsOf key={kind} specs={specs} />}
    </>
  );
}

/** The first of a few values, by what is in the stream; several are told under "more". */
function Watched({values, document, change}: {values: Value[]; document: Document; change: (document: Document) => void}) {
  const now = document["values"] as string[] | undefined;
  const isOther = (now?.length ?? 0) > 1 || (now?.[0] !== undefined && !values.some((one) => one.value === now[0]));
  return (
    <label class="field">
      What is watched
      <select
        value={isOther ? now!.join(", ") : (now?.[0] ?? "")}
        required
        onChange={(event) => change({...document, values: [event.currentTarget.value]})}>
        <option value="" disabled>
          choose
        </option>
        {isOther && <option value={now!.join(", ")}>{now!.join(", ")}</option>}
        {values.map((one) => (
          <option key={one.value} value={one.value}>
            {one.text}
          </option>
        ))}
      </select>
    </label>
  );
}

function temperOf(document: Document): string {
  return TEMPERS.find(({name}) => JSON.stringify(levelsOf(name)) === JSON.stringify(document["levels"]))?.name ?? "";
}

export function WatchForm({
  document,
  change,
  store,
  submit,
  isNew,
  more,
}: {
  document: Document;
  change: (document: Document) => void;
  store: (document: Document) => Promise<void>;
  submit: string;
  isNew: boolean;
  more?: preact.ComponentChildren;
}) {
  const streams = useResource<List<{name: string}>>("/v1/streams?limit=1000").data?.items.map((one) => one.name) ?? [];
  const actions = useResource<List<{name: string}>>("/v1/actions").data?.items.map((one) => one.name) ?? [];
  const models = useResource<List<{name: string}>>("/v1/models").data?.items.map((one) => one.name) ?? [];
  const kinds = useResource<List<DetectorKind>>("/v1/detectors").data?.items ?? [];
  const stream = typeof document["stream"] === "string" && streams.includes(document["stream"]) ? document["stream"] : "";
  const schema = useResource<StreamInfo>(stream ? `/v1/streams/${inPath(stream)}` : null).data?.schema.fields ?? [];
  const values = useMemo(() => valuesOf(schema), [schema]);
  const texts = schema.filter((one) => !NUMERIC.includes(one.kind) && one.kind !== "json").map((one) => one.name);
  const kind = String(get(document, "/detector/kind") ?? "combination");
  const [isNamed, named] = useState(!isNew);
  const alter = (next: Document): void => {
    const was = document["name"];
    const is = next["name"];
    if (was !== is) named(true);
    change(isNew && !isNamed && was === is ? {...next, name: nameFor(next)} : next);
  };
  return (
    <DocumentForm document={document} change={alter} store={store} submit={submit} more={more}>
      <section class="card pad section">
        <div class="fields">
          <SelectAt at="/stream" label="Stream" required options={[["", "choose"], ...streams.map((one) => [one, one] as [string, string])]} />
          {stream || document["values"] ? <Watched values={values} document={document} change={alter} /> : null}
          {(stream || document["by"]) && <SelectBy document={document} change={alter} texts={texts} />}
          <label class="field">
            How sensitive
            <select
              value={temperOf(document)}
              onChange={(event) => event.currentTarget.value && alter({...document, levels: levelsOf(event.currentTarget.value) as Json})}>
              {temperOf(document) === "" && <option value="">with levels of its own</option>}
              {TEMPERS.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.text}
                </option>
              ))}
            </select>
          </label>
          <TextAt at="/every" label="In windows of" required placeholder="10s" hint="like 10s, 5m, 1h" />
          {isNew && <TextAt at="/name" label="Name" required placeholder="lat-of-posts" />}
        </div>
        <ActionsField document={document} change={alter} actions={actions} />
      </section>
      <details class="card pad">
        <summary>How it judges: detector, levels, hold</summary>
        <div class="inner section">
          <div class="fields">
            <SelectAt at="/detector/kind" label="Detector" options={kinds.length > 0 ? kinds.map((one) => [one.name, one.name]) : [[kind, kind]]} />
            <SelectAt
              at="/detector/model"
              label="Begins with the model"
              options={[["", "what it learns itself"], ...models.map((one) => [one, one] as [string, string])]}
            />
            <ListAt
              at="/values"
              label="Values (several make dimensions)"
              key={JSON.stringify(document["values"]) === JSON.stringify([values[0]?.value]) ? "one" : "own"}
              placeholder="avg(lat), count()"
            />
          </div>
          <DetectorFields kinds={kinds} kind={kind} />
          <LevelsField document={document} change={alter} />
          <div class="fields">
            <NumberAt at="/hold" label="Entered after windows" step="1" hint="so many in a row" />
          </div>
        </div>
      </details>
      <details class="card pad">
        <summary>When and how often: warm-up, cooldown, no data, limits</summary>
        <div class="inner section">
          <FieldsOf specs={TIMES} />
          <FieldsOf specs={LIMITS} />
          <div class="form-checks">
            <CheckAt at="/enabled" label="Enabled" otherwise />
            <CheckAt at="/dry_run" label="Dry run: decide, but do nothing" />
            <CheckAt at="/learn_in_episode" label="Learn while it fires" />
          </div>
        </div>
      </details>
    </DocumentForm>
  );
}

function SelectBy({document, change, texts}: {document: Document; change: (document: Document) => void; texts: string[]}) {
  const by = (document["by"] as string[] | undefined) ?? [];
  const now = by.join(", ");
  const offered = now === "" || texts.includes(now) ? texts : [now, ...texts];
  return (
    <label class="field">
      For each
      <select
        value={now}
        onChange={(event) => change(set(document, "/by", event.currentTarget.value ? event.currentTarget.value.split(", ") : undefined))}>
        <option value="">all together</option>
        {offered.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}

/** "sensors" and "avg(lat)" are "sensors-lat". */
export function nameFor(document: Document): string {
  const value = (document["values"] as string[] | undefined)?.[0] ?? "";
  const field = /\(([^)]*)\)/.exec(value)?.[1] || (value.startsWith("count") ? "count" : "");
  return [String(document["stream"] ?? "").replace(/\//g, "-"), field]
    .filter(Boolean)
    .join("-")
    .replace(/[^\w.-]+/g, "-")
    .slice(0, 100);
}
