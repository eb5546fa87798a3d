/** Fields as rows of a table: what differs between kinds of actions, triggers and detectors is data. */
import type {ComponentChildren} from "preact";
import type {List} from "../api/client";
import {useResource} from "../resource";
import {CheckAt, JsonAt, ListAt, NumberAt, type Place, SelectAt, TextAt} from "./fields";

export interface Spec extends Place {
  as?: "text" | "number" | "select" | "check" | "list" | "json" | "lines";
  options?: [value: string, text: string][];
  list?: string[];
  /** What the names of a list of the API are offered for: "notebooks", "actions", "secrets" … */
  suggest?: string;
  otherwise?: boolean;
}

/** A text for which the names of a list are offered. */
function Suggested({suggest, ...place}: Place & {suggest: string}) {
  const names = useResource<List<{name: string}>>(`/v1/${suggest}?limit=500`).data?.items.map((one) => one.name);
  return <TextAt {...place} list={names ?? []} />;
}

export function FieldOf({spec}: {spec: Spec}): ComponentChildren {
  const {as = "text", options = [], list, suggest, otherwise, ...place} = spec;
  switch (as) {
    case "number":
      return <NumberAt {...place} />;
    case "select":
      return <SelectAt {...place} options={options} />;
    case "check":
      return <CheckAt at={place.at} label={place.label} otherwise={otherwise} />;
    case "list":
      return <ListAt {...place} list={list} />;
    case "json":
      return <JsonAt {...place} />;
    case "lines":
      return <TextAt {...place} rows={4} />;
    case "text":
      return suggest ? <Suggested {...place} suggest={suggest} /> : <TextAt {...place} list={list} />;
  }
}

export function FieldsOf({specs}: {specs: Spec[]}) {
  return (
    <div class="fields">
      {specs.map((spec) => (
        <FieldOf key={spec.at} spec={spec} />
      ))}
    </div>
  );
}
