/** Controls of a definition's form; what the server finds wrong stands at its field. */
import {createContext, type ComponentChildren} from "preact";
import {useContext, useId} from "preact/hooks";
import {Problem} from "../../api/client";
import {ProblemBox} from "../../ui";
import type {Draft} from "./draft";

export interface Form { draft: Draft; change: (part: Partial<Draft>) => void; wrong: Wrong | null }
export interface Wrong { field: string; detail: string; hint: string | null }

export const FormContext = createContext<Form | null>(null);

export function useForm(): Form {
  const form = useContext(FormContext);
  if (!form) throw new Error("a field outside of a form");
  return form;
}

/** "/source/url" and "source.url" are the field "url"; "/retention/age" is "retention.age". */
export const fieldName = (pointer: string): string => pointer.replace(/^\//, "").replace(/\//g, ".").replace(/^source\./, "");

/** The words that stand at a field: without the field's own name before them. */
export function wrongOf(problem: Problem): Wrong {
  const detail = problem.detail.replace(/^source: /, "").replace(/^[\w/.[\]]+:? (?=must)/, "");
  return {field: fieldName(problem.field ?? ""), detail: detail || problem.title, hint: problem.hint};
}

/** Every field of all forms: what is not among them is said above the form. */
export const FIELDS = ["name", "description", "format", "time", "time.field", "time.format", "key", "delay", "skew", "idle", "retention.age", "retention.bytes",
  "retention.messages", "limits.message_bytes", "limits.messages_per_s", "url", "user", "secret",
    "queue", "declare.arguments", "prefetch", "heartbeat_s", "tls.ca",
  "from", "every", "slide", "by", "aggregates", "sql", "objects"];

function Said({id, name}: {id: string; name: string}) {
  const {wrong} = useForm();
  return wrong?.field === name ? <span id={id} class="wrong" role="alert">{wrong.detail}{wrong.hint && ` (${wrong.hint})`}</span> : null;
}

interface FieldProps { label: string; name: string; hint?: ComponentChildren; wide?: boolean }
type TextKey = {[K in keyof Draft]: Draft[K] extends string ? K : never}[keyof Draft];

/** A line of text, or several with `rows`. */
export function TextField({label, name, hint, wide, is, rows, placeholder, required, list, mono}:
  FieldProps & {is: TextKey; rows?: number; placeholder?: string; required?: boolean; list?: string; mono?: boolean}) {
  const {draft, change, wrong} = useForm();
  const id = useId();
  const isWrong = wrong?.field === name;
  const shared = {
    id, placeholder, required, value: draft[is], spellcheck: false, class: mono ? "mono" : undefined, autocomplete: "off",
    "aria-invalid": isWrong ? ("true" as const) : undefined,
      "aria-describedby": `${isWrong ? `${id}-wrong ` : ""}${hint ? `${id}-hint` : ""}`.trim() || undefined,
    onInput: (event: {currentTarget: {value: string}}) => change({[is]: event.currentTarget.value} as Partial<Draft>),
  };
  return (
    <div class={`field ${wide ? "wide" : ""}`}>
      <label for={id}>{label}</label>
      {rows ? <textarea {...shared} rows={rows} /> : <input {...shared} list={list} />}
      {hint && <span id={`${id}-hint`} class="hint">{hint}</span>}
      <Said id={`${id}-wrong`} name={name} />
    </div>
  );
}

export function SelectField({label, name, hint, is, options}: FieldProps & {is: TextKey; options: [string, string][]}) {
  const {draft, change} = useForm();
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={draft[is]} onChange={(event) => change({[is]: event.currentTarget.value} as Partial<Draft>)}
        aria-describedby={hint ? `${id}-hint` : undefined}>
        {options.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
      {hint && <span id={`${id}-hint`} class="hint">{hint}</span>}
      <Said id={`${id}-wrong`} name={name} />
    </div>
  );
}

export function CheckField({label, is}: {label: string; is: "paused" | "declares" | "durable" | "verify"}) {
  const {draft, change} = useForm();
  return <label class="check"><input type="checkbox" checked={draft[is]}
    onChange={(event) => change({[is]: event.currentTarget.checked} as Partial<Draft>)} />{label}</label>;
}

/** A problem that belongs to no field of the form. */
export function Unplaced({problem}: {problem: Problem | null}) {
  return problem && !FIELDS.includes(fieldName(problem.field ?? "")) ? <ProblemBox problem={problem} /> : null;
}
