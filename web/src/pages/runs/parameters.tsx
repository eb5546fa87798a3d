/** A notebook's parameters as a form: each by its type, each with its help. */
import {useId} from "preact/hooks";

export interface Parameter {
  name: string;
  type: string;
  optional: boolean;
  default?: unknown;
  default_text?: string;
  help: string | null;
}

/** What was typed, by name; what is empty is left out. */
export type Typed = Record<string, string>;

const isText = (type: string): boolean => type === "str" || type === "any";

/** A value as it stands in its field. */
export function asTyped(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The values to send; throws what is wrong in words. What equals the default is left out. */
export function valuesOf(parameters: Parameter[], typed: Typed): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const parameter of parameters) {
    const text = typed[parameter.name] ?? "";
    if (text === asTyped(parameter.default)) continue;
    if (text === "" && (parameter.optional || parameter.default_text)) {
      if (parameter.optional && parameter.default !== null) values[parameter.name] = null;
      continue;
    }
    values[parameter.name] = valueOf(parameter, text);
  }
  return values;
}

const KINDS: Record<string, string> = {int: "a whole number", float: "a number", list: "a list like [1, 2]", dict: 'an object like {"a": 1}'};

function valueOf({name, type}: Parameter, text: string): unknown {
  if (type === "str") return text;
  if (type === "bool") return text === "true";
  try {
    return JSON.parse(text) as unknown;
  } catch {
    if (type === "any") return text;
    throw new Error(`${name} must be ${KINDS[type] ?? type}`);
  }
}

function Control({parameter, value, set, id, choices}: {parameter: Parameter; value: string; set: (text: string) => void; id: string; choices?: string[]}) {
  const about = `${id}-help`;
  const described = parameter.help ? about : undefined;
  if (parameter.type === "bool") {
    return (
      <select id={id} value={value} aria-describedby={described} onChange={(event) => set(event.currentTarget.value)}>
        {parameter.optional && <option value="">not set</option>}
        <option value="true">yes</option><option value="false">no</option>
      </select>
    );
  }
  const list = choices ? `${id}-list` : undefined;
  return (
    <>
      <input id={id} value={value} aria-describedby={described} list={list} inputMode={["int", "float"].includes(parameter.type) ? "decimal" : undefined}
        spellcheck={false} autocomplete="off" placeholder={parameter.optional ? "left out"
          : parameter.default_text ?? (isText(parameter.type) ? "" : parameter.type)}
        onInput={(event) => set(event.currentTarget.value)} />
      {choices && <datalist id={list}>{choices.map((choice) => <option key={choice} value={choice} />)}</datalist>}
    </>
  );
}

/** `choices`: names to choose from, for parameters that name something. */
export function ParameterFields({parameters, typed, set, choices = {}}:
  {parameters: Parameter[]; typed: Typed; set: (typed: Typed) => void; choices?: Record<string, string[]>}) {
  const base = useId();
  if (parameters.length === 0) return <p class="soft">This notebook takes no parameters.</p>;
  return (
    <div class="fields">
      {parameters.map((parameter) => {
        const id = `${base}-${parameter.name}`;
        return (
          <div class="field" key={parameter.name}>
            <label for={id}>{parameter.name}</label>
            <Control parameter={parameter} id={id} value={typed[parameter.name] ?? ""} choices={choices[parameter.name]} set={(text) => set({...typed,
              [parameter.name]: text})} />
            {parameter.help && <span class="hint" id={`${id}-help`}>{parameter.help}</span>}
          </div>
        );
      })}
    </div>
  );
}

export function typedFrom(parameters: Parameter[], values: Record<string, unknown>): Typed {
  return Object.fromEntries(parameters.map((parameter) => [parameter.name, asTyped(parameter.name in values ? values[parameter.name] : parameter.default)]));
}
