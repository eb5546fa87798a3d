/** The kinds of actions, and which fields each asks for: rows, so that a new kind is one of them. */
import type {Spec} from "../../form";

export interface ActionKind {
  kind: string;
  title: string;
  about: string;
  fields: Spec[];
}

const template: Spec = {
  at: "/body",
  label: "Template of the body",
  as: "json",
  wide: true,
  placeholder: '{"text": "{{ decision.watch }} is {{ decision.level }}"}',
  hint: "{{ decision.key }} and the like are taken from the decision; {{ path | default }} where one may be missing",
};
const via: Spec[] = [
  {at: "/via/webhook", label: "Told to a webhook", placeholder: "https://workers.example/size"},
  {at: "/via/command", label: "or to a command", placeholder: "name of an allowed command"},
];

export const ACTION_KINDS: ActionKind[] = [
  {
    kind: "webhook",
    title: "Webhook",
    about: "A signed HTTP request",
    fields: [
      {at: "/webhook", label: "Address", required: true, wide: true, placeholder: "https://example.com/hook"},
      {
        at: "/secret",
        suggest: "secrets",
        label: "Secret it is signed with",
        placeholder: "name of a secret",
        hint: "Standard Webhooks: the receiver can check that it is you",
      },
      {at: "/headers", label: "More headers", as: "json", placeholder: '{"X-Team": "night shift"}'},
      {
        at: "/expect",
        label: "Expected answer",
        as: "json",
        placeholder: '{"status": [202]}',
        hint: "statuses, and a part of the answer's JSON; absent: any 2xx",
      },
      template,
    ],
  },
  {
    kind: "amqp",
    title: "RabbitMQ",
    about: "A message with publisher confirms",
    fields: [
      {at: "/url", label: "Broker", placeholder: "amqps://broker.example/vhost", required: true},
      {at: "/user", label: "User", placeholder: "guest"},
      {at: "/secret", suggest: "secrets", label: "Secret with the password", placeholder: "name of a secret"},
      {at: "/exchange", label: "Exchange", placeholder: "the default one"},
      {at: "/routing_key", label: "Routing key"},
      {at: "/mandatory", label: "Must reach a queue", as: "check", otherwise: true},
      template,
    ],
  },
  {
    kind: "run",
    title: "Notebook",
    about: "Runs a notebook or a recipe",
    fields: [
      {at: "/notebook", suggest: "notebooks", label: "Notebook", placeholder: "reports/anomaly.ipynb"},
      {at: "/recipe", suggest: "recipes", label: "or recipe"},
      {at: "/parameters", label: "Parameters", as: "json", wide: true, placeholder: '{"key": "{{ decision.key }}"}'},
    ],
  },
  {
    kind: "email",
    title: "E-mail",
    about: "A mail over SMTP with TLS",
    fields: [
      {at: "/smtp", label: "Server", required: true, placeholder: "smtps://mail.example:465"},
      {at: "/from", label: "From", required: true, placeholder: "suricate@example.com"},
      {at: "/to", label: "To", as: "list", required: true, placeholder: "ops@example.com, you@example.com"},
      {at: "/user", label: "User"},
      {at: "/secret", suggest: "secrets", label: "Secret with the password", placeholder: "name of a secret"},
      {at: "/subject", label: "Subject", wide: true, placeholder: "{{ decision.watch }}: {{ decision.level }}"},
      {at: "/body", label: "Body", as: "lines", wide: true, placeholder: "{{ reason }}"},
    ],
  },
  {
    kind: "command",
    title: "Command",
    about: "An allowed program, in a sandbox",
    fields: [
      {at: "/command", label: "Command", required: true, placeholder: "name given to serve --allow-command"},
      {at: "/arguments", label: "Arguments", as: "json", wide: true, placeholder: '["{{ decision.key }}"]'},
    ],
  },
  {
    kind: "scale",
    title: "Scale",
    about: "A size that keeps a measure at its target",
    fields: [
      {at: "/target", label: "Target of the measure", as: "number", required: true},
      {at: "/tolerance", label: "Tolerance", as: "number", placeholder: "0.1"},
      {at: "/min", label: "Least size", as: "number", placeholder: "1"},
      {at: "/max", label: "Greatest size", as: "number", required: true},
      {at: "/initial", label: "Size at the beginning", as: "number"},
      {at: "/total", label: "The measure is a sum over all, not a mean", as: "check"},
      {at: "/step_up", label: "Most added at once", as: "number"},
      {at: "/step_down", label: "Most taken at once", as: "number"},
      {at: "/settle", label: "Time until it works", placeholder: "60s"},
      {at: "/stabilise_down", label: "Wait before it shrinks", placeholder: "5m"},
      ...via,
    ],
  },
  {
    kind: "set",
    title: "Set",
    about: "A desired state, and the one to return to",
    fields: [
      {at: "/state", label: "State while it lasts", as: "json", required: true, placeholder: '{"weight": 0}'},
      {at: "/return", label: "State to return to", as: "json", placeholder: '{"weight": 100}'},
      ...via,
    ],
  },
];

/** What every kind can have: how careful it is. */
export const CARE: Spec[] = [
  {at: "/cooldown", label: "Not again for", placeholder: "5m"},
  {at: "/rate_limit/count", label: "At most", as: "number", placeholder: "10", hint: "deliveries"},
  {at: "/rate_limit/per", label: "in", placeholder: "1m"},
  {at: "/approval/wait", label: "A person approves it within", placeholder: "nobody is asked", hint: "like 10m; absent: it is sent at once"},
  {
    at: "/approval/then",
    label: "If nobody does",
    as: "select",
    options: [
      ["", "–"],
      ["expire", "it is not sent"],
      ["send", "it is sent"],
    ],
  },
  {at: "/retry/first", label: "Tried again after", placeholder: "1s", hint: "then after twice as long, and so on"},
  {at: "/retry/deadline", label: "Given up after", placeholder: "24h"},
  {at: "/timeout", label: "An attempt takes at most", placeholder: "15s"},
  {
    at: "/blast_radius/share",
    label: "Stops beyond this share of keys",
    as: "number",
    placeholder: "no limit",
    hint: "0.2: of a fifth of the watch's keys",
  },
  {at: "/blast_radius/per", label: "within", placeholder: "1h"},
  {
    at: "/active",
    label: "Only in these hours",
    as: "json",
    wide: true,
    placeholder: '[{"days": ["mon", "tue"], "from": "08:00", "to": "18:00", "zone": "Europe/Berlin"}]',
  },
];

export const kindOf = (kind: string | undefined): ActionKind => ACTION_KINDS.find((one) => one.kind === kind) ?? ACTION_KINDS[0]!;

/** Where an action leads, in a few words. */
export function targetWords(action: {[name: string]: unknown}): string {
  for (const name of ["webhook", "url", "notebook", "recipe", "smtp", "command"]) if (typeof action[name] === "string") return action[name];
  const via_ = action["via"] as {webhook?: string; command?: string} | undefined;
  return via_?.webhook ?? via_?.command ?? "";
}
