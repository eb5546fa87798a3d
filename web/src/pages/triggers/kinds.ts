/** What fires a trigger, and which fields each kind asks for: rows. */
import type {Spec} from "../../form";

export interface TriggerKind {
  kind: string;
  title: string;
  about: string;
  fields: Spec[];
}

export const TRIGGER_KINDS: TriggerKind[] = [
  {kind: "api", title: "A call", about: "The API, or a secret URL", fields: []},
  {
    kind: "cron",
    title: "The clock",
    about: "Cron with a time zone",
    fields: [
      {at: "/when/cron", label: "When", required: true, placeholder: "*/5 * * * *", hint: "minute, hour, day, month, day of the week"},
      {at: "/when/zone", label: "Time zone", placeholder: "UTC"},
      {
        at: "/when/catch_up",
        label: "What was missed",
        as: "select",
        options: [
          ["", "fires once for all of it"],
          ["none", "is left out"],

          ["all", "fires for each"],
        ],
      },
    ],
  },
  {
    kind: "object",
    title: "An object",
    about: "Created or changed",
    fields: [
      {at: "/when/prefix", label: "Name begins with", placeholder: "incoming/"},
      {at: "/when/tag", label: "Has the tag"},
      {at: "/when/on", label: "When it is", as: "list", list: ["created", "changed"], placeholder: "created, changed"},
    ],
  },
  {
    kind: "event",
    title: "A message",
    about: "Of any stream, that fits",
    fields: [
      {at: "/when/stream", suggest: "streams", label: "Stream", required: true, placeholder: "_events"},
      {at: "/when/where", label: "Where", as: "json", wide: true, placeholder: '{"kind": "run.finished", "seconds": {"above": 60}}'},
    ],
  },
  {
    kind: "run",
    title: "A run",
    about: "That ended",
    fields: [
      {at: "/when/notebook", suggest: "notebooks", label: "Of the notebook", placeholder: "any"},
      {at: "/when/state", label: "As", as: "list", list: ["succeeded", "failed"], placeholder: "succeeded, failed"},
    ],
  },
  {
    kind: "drift",
    title: "Drift",
    about: "A model that fits no more",
    fields: [{at: "/when/model", suggest: "models", label: "Model", placeholder: "any"}],
  },
];

export const STARTS: {kind: string; title: string; about: string; fields: Spec[]}[] = [
  {
    kind: "notebook",
    title: "Run a notebook",
    about: "",
    fields: [
      {at: "/then/run/notebook", suggest: "notebooks", label: "Notebook", required: true, placeholder: "reports/daily.ipynb"},
      {at: "/then/run/parameters", label: "Parameters", as: "json", wide: true, placeholder: '{"file": "{{ event.name }}"}'},
    ],
  },
  {
    kind: "recipe",
    title: "Run a recipe",
    about: "",
    fields: [
      {at: "/then/run/recipe", suggest: "recipes", label: "Recipe", required: true},
      {at: "/then/run/object", label: "On the object", placeholder: "{{ event.name }}"},
      {at: "/then/run/parameters", label: "Parameters", as: "json", wide: true},
    ],
  },
  {
    kind: "action",
    title: "Use an action",
    about: "",
    fields: [
      {at: "/then/action", suggest: "actions", label: "Action", required: true},
      {at: "/then/parameters", label: "Parameters", as: "json", wide: true},
    ],
  },
];

export const LIMITS: Spec[] = [
  {
    at: "/concurrency",
    label: "While one is under way",
    as: "select",
    options: [
      ["", "as usual: runs wait, actions do not"],
      ["queue", "the next waits"],
      ["skip", "the next is left out"],
      ["replace", "the next takes its place"],
      ["parallel", "the next starts beside it"],
    ],
  },
  {at: "/rate_limit/count", label: "At most", as: "number", placeholder: "60", hint: "times"},
  {at: "/rate_limit/per", label: "in", placeholder: "1m"},
];

export const kindOf = (kind: string | undefined): TriggerKind => TRIGGER_KINDS.find((one) => one.kind === kind) ?? TRIGGER_KINDS[0]!;

type Then = {run?: {notebook?: string; recipe?: string}; action?: string};

export const startOf = (then: Then | undefined): string =>
  then?.action !== undefined ? "action" : then?.run?.recipe !== undefined ? "recipe" : "notebook";

export function whenWords(when: {[name: string]: unknown}): string {
  const {kind, ...rest} = when;
  const said = Object.entries(rest)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) =>
      ["cron", "zone", "stream", "prefix"].includes(name) ? String(value) : `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
  return [kindOf(kind as string).title, ...said].join(" ");
}

export const thenWords = (then: Then): string => then.action ?? then.run?.notebook ?? then.run?.recipe ?? "";
