/** Fields as rows of a table: what differs between kinds of actions, triggers and detectors is data. */
import type {ComponentChildren} from "preact";
import {CheckAt, JsonAt, ListAt, NumberAt, type Place, SelectAt, TextAt} from "./fields";

export interface Spec extends Place {
  as?: "text" | "number" | "select" | "check" | "list" | "json" | "lines";
  options?: [value: string, text: string][];
  list?: string[];
  otherwise?: boolean;
}

export function FieldOf({spec}: {spec: Spec}): ComponentChildren {
  const {as = "text", options = [], list, otherwise, ...place} = spec;
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
      return <TextAt {...place} list={list} />;
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
