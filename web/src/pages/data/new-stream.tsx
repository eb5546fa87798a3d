/** A new stream: pushed to, fed by a queue, or computed from another one. */
import {useState} from "preact/hooks";
import {inPath, post, Problem, put, type List} from "../../api/client";
import type {StreamInfo} from "../../api/types";
import {address, navigate, withQuery} from "../../router";
import {useResource} from "../../resource";
import {ProblemBox} from "../../ui";
import {SecretPicker} from "./secrets";
import "./data.css";

type Kind = "push" | "amqp" | "derived";
const KINDS: [Kind, string, string][] = [
  ["push", "Push", "Programs send messages over HTTP."],
  ["amqp", "Queue (AMQP)", "A RabbitMQ queue is consumed; messages are acknowledged once they are on disk."],
  ["derived", "Derived", "Computed from another stream, window by window."],
];

export default function NewStream() {
  const kind = (address.value.query.get("kind") ?? "push") as Kind;
  const [problem, fail] = useState<Problem | null>(null);
  const create = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const name = text(form, "name");
    put(`/v1/streams/${inPath(name)}`, definitionOf(kind, form)).then(() => navigate(`/data/streams/${inPath(name)}`), fail);
  };
  return (
    <div class="page">
      <div class="head"><p class="small"><a href="/data/streams">Streams</a></p><h1>New stream</h1></div>
      <nav class="grid" aria-label="Where its messages come from">
        {KINDS.map(([id, title, what]) => (
          <a key={id} class="card pad choice" href={withQuery({kind: id})} aria-current={id === kind ? "true" : undefined}>
            <b>{title}</b><span class="soft small">{what}</span>
          </a>
        ))}
      </nav>
      <form class="card pad section" onSubmit={create} key={kind}>
        {problem && <ProblemBox problem={problem} />}
        <div class="fields">
          <label class="field">Name<input name="name" required maxLength={512} placeholder="kitchen/sensors" autofocus /></label>
        </div>
        {kind === "amqp" && <AmqpFields />}
        {kind === "derived" ? <DerivedFields /> : <MessageFields />}
        <div class="bar"><button class="primary">Make the stream</button><a class="button quiet" href="/data/streams">Cancel</a></div>
      </form>
    </div>
  );
}

const text = (form: FormData, name: string): string => String(form.get(name) ?? "").trim();

function definitionOf(kind: Kind, form: FormData): object {
  const common = {
    ...(text(form, "time") && {time: {field: text(form, "time")}}), ...(text(form, "key") && {key: text(form, "key")}),
    ...(text(form, "format") && {format: text(form, "format")}), retention: {age: text(form, "age") || "7d"},
  };
  if (kind === "amqp") return {...common, source: amqpOf(form)};
  if (kind === "derived") return {retention: {age: text(form, "age") || "7d"}, source: derivedOf(form)};
  return {...common, source: {kind: "push"}};
}

function amqpOf(form: FormData): object {
  const binds = text(form, "bind").split("\n").map((line) => line.trim()).filter(Boolean).map((line) => {
    const [exchange = "", routing_key = ""] = line.split(/\s+/);
    return {exchange, routing_key};
  });
  const declare = text(form, "declare");
  return {
    kind: "amqp", url: text(form, "url"), queue: text(form, "queue"),
    ...(text(form, "user") && {user: text(form, "user")}), ...(text(form, "secret") && {secret: text(form, "secret")}),
    ...(declare && {declare: {type: declare, durable: true}}), ...(binds.length > 0 && {bind: binds}),
    ...(text(form, "prefetch") && {prefetch: Number(text(form, "prefetch"))}),
    ...(text(form, "ca") && {tls: {ca: text(form, "ca"), verify: true}}),
  };
}

function derivedOf(form: FormData): object {
  const base = {kind: "derived", from: text(form, "from"), every: text(form, "every")};
  if (text(form, "sql")) return {...base, sql: text(form, "sql")};
  const aggregates = Object.fromEntries(text(form, "aggregates").split("\n").map((line) => line.split("=").map((part) => part.trim()))
    .filter((parts) => parts.length === 2));
  return {...base, by: text(form, "by").split(",").map((part) => part.trim()).filter(Boolean), aggregates};
}

function MessageFields() {
  return (
    <div class="fields">
      <label class="field">Field with the time
        <input name="time" placeholder="at" />
        <span class="hint">Left empty: when a message arrived</span>
      </label>
      <label class="field">Field with the key
        <input name="key" placeholder="sensor" />
        <span class="hint">Whose message it is: a line of its own in charts</span>
      </label>
      <label class="field">Kept for<input name="age" defaultValue="7d" placeholder="7d" /><span class="hint">12h, 30d …; 0s keeps all</span></label>
      <label class="field">Messages are
        <select name="format">
          <option value="json">JSON</option><option value="ndjson">lines of JSON</option><option value="text">lines of text</option>
        </select>
      </label>
    </div>
  );
}

function AmqpFields() {
  const [state, show] = useState<{isGood: boolean; says: string} | null>(null);
  const test = (event: Event): void => {
    const form = new FormData((event.currentTarget as HTMLElement).closest("form")!);
    show({isGood: true, says: "Connecting …"});
    post<Record<string, unknown>>("/v1/connections/amqp/test", {source: amqpOf(form)}).then(
      (answer) => show({isGood: true, says: told(answer)}), (problem: Problem) => show({isGood: false, says: problem.message}));
  };
  return (
    <>
      <div class="fields">
        <label class="field">Address
          <input name="url" required placeholder="amqp://broker:5672" />
          <span class="hint">amqps:// with TLS; a vhost stands behind a slash</span>
        </label>
        <label class="field">Queue<input name="queue" required placeholder="orders" /></label>
        <label class="field">User<input name="user" placeholder="guest" autocomplete="off" /></label>
        <SecretPicker name="secret" label="Password" />
        <label class="field">When the queue is not there
          <select name="declare">
            <option value="">wait for it</option><option value="classic">make a classic queue</option><option value="quorum">make a quorum queue</option>
          </select>
        </label>
        <label class="field">Prefetch<input name="prefetch" type="number" min={1} max={65535} placeholder="1000" /></label>
      </div>
      <details>
        <summary>Bindings and TLS</summary>
        <div class="fields">
          <label class="field">Bind to (a line each: exchange, routing key)<textarea name="bind" rows={3} placeholder="telemetry kitchen.#" /></label>
          <label class="field">Authority's certificate (PEM)<textarea name="ca" rows={3} placeholder="left empty: the system's authorities" /></label>
        </div>
      </details>
      <div class="bar">
        <button type="button" onClick={test}>Test the connection</button>
        {state && <span role="status" class={state.isGood ? "" : "bad"}>{state.says}</span>}
      </div>
    </>
  );
}

function told(answer: Record<string, unknown>): string {
  const facts = Object.entries(answer).filter(([, value]) => value !== null && typeof value !== "object")
    .map(([name, value]) => `${name.replace(/_/g, " ")}: ${String(value)}`);
  return `Connected. ${facts.join(", ")}`;
}

function DerivedFields() {
  const streams = useResource<List<StreamInfo>>("/v1/streams?limit=500");
  const [isSql, setSql] = useState(false);
  return (
    <>
      <div class="fields">
        <label class="field">From
          <select name="from" required>{(streams.data?.items ?? []).map((one) => <option key={one.name}>{one.name}</option>)}</select>
        </label>
        <label class="field">Each
          <input name="every" required defaultValue="10s" placeholder="10s" />
          <span class="hint">The length of a window of event time</span>
        </label>
        <label class="field">Kept for<input name="age" defaultValue="7d" /></label>
        <label class="field">By
          <select value={isSql ? "sql" : "aggregates"} onChange={(event) => setSql(event.currentTarget.value === "sql")}>
            <option value="aggregates">aggregates</option><option value="sql">a statement in SQL</option>
          </select>
        </label>
      </div>
      {isSql
        ? (
          <label class="field">Statement
            <textarea name="sql" rows={5} required spellcheck={false} placeholder="select sensor, avg(celsius) as celsius from kitchen group by sensor" />
          </label>
        )
        : (
          <div class="fields">
            <label class="field">A row for each
              <input name="by" placeholder="sensor" />
              <span class="hint">Fields with commas between; empty: one row a window</span>
            </label>
            <label class="field">Aggregates, a line each
              <textarea name="aggregates" rows={4} required spellcheck={false} defaultValue={"n = count()"} />
              <span class="hint">hottest = max(celsius); also sum, avg, min, stddev, p50, p95, p99, first, last, rate</span>
            </label>
          </div>
        )}
    </>
  );
}
