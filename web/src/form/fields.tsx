/** Controls over one place of a JSON document each; what the server finds wrong stands at its control. */
import {type ComponentChildren, createContext} from "preact";
import {useContext, useEffect, useId, useState} from "preact/hooks";
import type {Json} from "../api/acting";
import {Problem} from "../api/client";
import {ProblemBox} from "../ui";
import {type Document, get, pointerOf, set} from "./document";
import "./form.css";

export interface Form {
  document: Document;
  change: (document: Document) => void;
  problem: Problem | null;
  /** Places that a control stands for: a problem at another one is told above the form. */
  places: Set<string>;
}
const FormContext = createContext<Form | null>(null);

function useForm(): Form {
  const form = useContext(FormContext);
  if (!form) throw new Error("a field outside of a form");
  return form;
}

export interface Place {
  at: string;
  label: string;
  hint?: ComponentChildren;
  wide?: boolean;
  required?: boolean;
  placeholder?: string;
}

const wordsOf = (problem: Problem): string => problem.detail.replace(/^[\w/.[\]]+:? (?=must)/, "") || problem.title;

interface Control {
  id: string;
  "aria-invalid"?: "true";
  "aria-describedby"?: string;
}

/** Label, control, hint, and what is wrong with it. */
function Frame({at, label, hint, wide, children}: Place & {children: (control: Control) => ComponentChildren}) {
  const {problem, places} = useForm();
  const id = useId();
  useEffect(() => {
    places.add(at);
    return () => void places.delete(at);
  }, [at]);
  const isWrong = problem?.field != null && pointerOf(problem.field) === at;
  const described = `${isWrong ? `${id}-wrong ` : ""}${hint ? `${id}-hint` : ""}`.trim();
  return (
    <div class={`field ${wide ? "wide" : ""}`}>
      <label for={id}>{label}</label>
      {children({id, ...(isWrong ? {"aria-invalid": "true" as const} : {}), ...(described ? {"aria-describedby": described} : {})})}
      {hint && (
        <span id={`${id}-hint`} class="hint">
          {hint}
        </span>
      )}
      {isWrong && (
        <span id={`${id}-wrong`} class="wrong" role="alert">
          {wordsOf(problem)}
          {problem.hint && ` (${problem.hint})`}
        </span>
      )}
    </div>
  );
}

function usePlace(at: string): [Json | undefined, (value: Json | undefined) => void] {
  const {document, change} = useForm();
  return [get(document, at), (value) => change(set(document, at, value))];
}

/** A text; empty: not given. */
export function TextAt({list, rows, ...place}: Place & {list?: string[]; rows?: number}) {
  const [value, put] = usePlace(place.at);
  const id = useId();
  return (
    <Frame {...place}>
      {(control) => {
        const shared = {
          ...control,
          value: typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value),
          required: place.required,
          placeholder: place.placeholder,
          spellcheck: false,
          autocomplete: "off",
          onInput: (event: {currentTarget: {value: string}}) => put(event.currentTarget.value || undefined),
        };
        return rows ? (
          <textarea {...shared} rows={rows} />
        ) : (
          <>
            <input {...shared} list={list ? `${id}-list` : undefined} />
            {list && (
              <datalist id={`${id}-list`}>
                {list.map((each) => (
                  <option key={each} value={each} />
                ))}
              </datalist>
            )}
          </>
        );
      }}
    </Frame>
  );
}

export function NumberAt({step = "any", ...place}: Place & {step?: string}) {
  const [value, put] = usePlace(place.at);
  return (
    <Frame {...place}>
      {(control) => (
        <input
          {...control}
          type="number"
          step={step}
          required={place.required}
          placeholder={place.placeholder}
          value={typeof value === "number" ? value : ""}
          onInput={(event) => put(Number.isNaN(event.currentTarget.valueAsNumber) ? undefined : event.currentTarget.valueAsNumber)}
        />
      )}
    </Frame>
  );
}

/** One of several; the value "" is "not given". */
export function SelectAt({options, otherwise = "", ...place}: Place & {options: [value: string, text: string][]; otherwise?: string}) {
  const [value, put] = usePlace(place.at);
  return (
    <Frame {...place}>
      {(control) => (
        <select
          {...control}
          value={value === undefined ? otherwise : String(value)}
          required={place.required}
          onChange={(event) => put(event.currentTarget.value || undefined)}>
          {options.map(([each, text]) => (
            <option key={each} value={each}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Frame>
  );
}

export function CheckAt({at, label, otherwise = false}: {at: string; label: string; otherwise?: boolean}) {
  const [value, put] = usePlace(at);
  return (
    <label class="check">
      <input type="checkbox" checked={typeof value === "boolean" ? value : otherwise} onChange={(event) => put(event.currentTarget.checked)} />
      {label}
    </label>
  );
}

/** Several texts, separated by commas. */
export function ListAt({list, ...place}: Place & {list?: string[]}) {
  const [value, put] = usePlace(place.at);
  const [text, type] = useState(() => (Array.isArray(value) ? value.join(", ") : ""));
  const id = useId();
  return (
    <Frame {...place}>
      {(control) => (
        <>
          <input
            {...control}
            value={text}
            required={place.required}
            placeholder={place.placeholder}
            spellcheck={false}
            autocomplete="off"
            list={list ? `${id}-list` : undefined}
            onInput={(event) => {
              type(event.currentTarget.value);
              const parts = event.currentTarget.value
                .split(",")
                .map((part) => part.trim())
                .filter(Boolean);
              put(parts.length > 0 ? parts : undefined);
            }}
          />
          {list && (
            <datalist id={`${id}-list`}>
              {list.map((each) => (
                <option key={each} value={each} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Frame>
  );
}

/** Any JSON; what does not parse is said and kept out of the document. */
export function JsonAt({rows = 4, ...place}: Place & {rows?: number}) {
  const [value, put] = usePlace(place.at);
  const [text, type] = useState(() => (value === undefined ? "" : JSON.stringify(value, null, 2)));
  const [isBroken, broken] = useState(false);
  return (
    <Frame {...place}>
      {(control) => (
        <>
          <textarea
            {...control}
            rows={rows}
            value={text}
            placeholder={place.placeholder}
            spellcheck={false}
            aria-invalid={isBroken ? "true" : undefined}
            onInput={(event) => {
              const said = event.currentTarget.value;
              type(said);
              try {
                put(said.trim() ? (JSON.parse(said) as Json) : undefined);
                broken(false);
                event.currentTarget.setCustomValidity("");
              } catch {
                broken(true);
                event.currentTarget.setCustomValidity("This is not JSON yet");
              }
            }}
          />
          {isBroken && <span class="wrong">Not JSON yet</span>}
        </>
      )}
    </Frame>
  );
}

/** The form: `store` is given the document; what it throws is told. */
export function DocumentForm({
  document,
  change,
  store,
  submit,
  children,
  more,
}: {
  document: Document;
  change: (document: Document) => void;
  store: (document: Document) => Promise<void>;
  submit: string;
  children: ComponentChildren;
  more?: ComponentChildren;
}) {
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const [places] = useState(() => new Set<string>());
  const isPlaced = problem?.field != null && places.has(pointerOf(problem.field));
  const send = (event: Event): void => {
    event.preventDefault();
    busy(true);
    store(document)
      .then(
        () => fail(null),
        (error: unknown) => fail(error instanceof Problem ? error : new Problem(0, "unknown", "That did not work", String(error), null, null, {})),
      )
      .finally(() => busy(false));
  };
  return (
    <FormContext.Provider value={{document, change, problem, places}}>
      <form class="section definition" onSubmit={send} autocomplete="off">
        {problem && !isPlaced && <ProblemBox problem={problem} />}
        {children}
        <div class="bar">
          <button class="primary" disabled={isBusy}>
            {submit}
          </button>
          {more}
        </div>
      </form>
    </FormContext.Provider>
  );
}
