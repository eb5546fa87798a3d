/** A stream computed from another: aggregates of each window, or SQL over it. */
import type {List} from "../../api/client";
import {useResource} from "../../resource";
import type {Aggregate} from "./draft";
import {TextField, useForm} from "./fields";
import {isNumeric, type StreamInfo} from "./stream-model";

export function DerivedFields() {
  const {draft, change} = useForm();
  const streams = useResource<List<StreamInfo>>("/v1/streams?limit=1000");
  const parent = streams.data?.items.find((one) => one.name === draft.from);
  return (
    <>
      <datalist id="stream-names">{(streams.data?.items ?? []).map((one) => <option key={one.name} value={one.name} />)}</datalist>
      <div class="fields">
        <TextField label="From the stream" name="from" is="from" required list="stream-names" />
        <TextField label="Windows of" name="every" is="every" required placeholder="10s" />
        <TextField label="A window starts each" name="slide" is="slide" placeholder="the same: they do not overlap" />
      </div>
      <div class="switch" role="group" aria-label="What is computed">
        <button type="button" class="quiet" aria-pressed={draft.way === "aggregates"} onClick={() => change({way: "aggregates"})}>Aggregates</button>
        <button type="button" class="quiet" aria-pressed={draft.way === "sql"}
          onClick={() => change({way: "sql", sql: draft.sql || question(draft.from)})}>SQL</button>
      </div>
      {draft.way === "aggregates" ? <Aggregates parent={parent} /> : (
        <div class="fields">
          <TextField label="SQL over each window" name="sql" is="sql" rows={6} wide required hint="Each row of the answer becomes a message." />
          <TextField label="Objects it joins" name="objects" is="objects" placeholder="teams.csv, players.csv" hint="With commas between" />
        </div>
      )}
    </>
  );
}

const question = (from: string): string => `select count(*) as n\nfrom "${from.replace(/"/g, '""')}"`;

function Aggregates({parent}: {parent: StreamInfo | undefined}) {
  const {draft, change, wrong} = useForm();
  const numbers = (parent?.schema.fields ?? []).filter(isNumeric).map((field) => field.name);
  const set = (at: number, part: Partial<Aggregate>): void =>
    change({aggregates: draft.aggregates.map((one, index) => (index === at ? {...one, ...part} : one))});
  const choices = ["count()", "rate()", ...numbers.flatMap((name) => ["avg", "min", "max", "sum", "p95"].map((how) => `${how}(${name})`))];
  const isWrong = wrong?.field === "aggregates";
  return (
    <>
      <div class="fields">
        <TextField label="For each" name="by" is="by" placeholder="sensor" mono hint="Fields to group by, with commas between. Empty: one row a window." />
      </div>
      <datalist id="aggregates">{choices.map((choice) => <option key={choice} value={choice} />)}</datalist>
      <fieldset class="section">
        <legend>Aggregates</legend>
        {draft.aggregates.map((one, at) => (
          <div key={at} class="row pair">
            <input aria-label={`Name ${at + 1}`} placeholder="name" value={one.name} onInput={(event) => set(at, {name: event.currentTarget.value})} />
            <input aria-label={`Aggregate ${at + 1}`} class="mono" placeholder="avg(field)" list="aggregates" value={one.is}
              aria-invalid={isWrong ? "true" : undefined}
              onInput={(event) => set(at, {is: event.currentTarget.value})} />
            <button type="button" class="quiet" onClick={() => change({aggregates: draft.aggregates.filter((_, index) => index !== at)})}>
              Remove<span class="sr"> aggregate {at + 1}</span></button>
          </div>
        ))}
        {isWrong && <span class="wrong" role="alert">{wrong.detail}{wrong.hint && ` (${wrong.hint})`}</span>}
        <div><button type="button" onClick={() => change({aggregates: [...draft.aggregates, {name: "", is: ""}]})}>Add an aggregate</button></div>
      </fieldset>
    </>
  );
}
