/** A RabbitMQ queue as a source: where, as whom, which queue; and a test that shows what the broker says. */
import {useState} from "preact/hooks";
import {post, Problem, type List} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {count, plural} from "../../text";
import type {Binding} from "./draft";
import {Mistyped, sourceOf} from "./draft";
import {CheckField, SelectField, TextField, useForm} from "./fields";

export function AmqpFields({makeSecret}: {makeSecret: () => void}) {
  const {draft} = useForm();
  return (
    <>
      <div class="fields">
        <TextField label="Address" name="url" is="url" required wide mono placeholder="amqp://broker.example:5672/vhost"
          hint={<>Without user and password. <code>amqps://</code> for TLS; a <code>/</code> in the vhost is <code>%2F</code>.</>} />
        <TextField label="User" name="user" is="user" placeholder="guest" />
        <SecretField makeSecret={makeSecret} />
        <TextField label="Queue" name="queue" is="queue" required mono />
        <SelectField label="A message-id seen before is" name="ids" is="ids" options={[["unique", "a repetition: left out"], ["ignore", "no matter"]]} />
      </div>
      <TestConnection />
      <details>
        <summary>Make the queue, bind it, flow, TLS</summary>
        <div class="section inner">
          <CheckField label="Make the queue when it is not there" is="declares" />
          {draft.declares && (
            <div class="fields">
              <SelectField label="Its type" name="declare.type" is="queueType" options={[["classic", "classic"], ["quorum", "quorum"], ["stream", "stream"]]} />
              <TextField label="Its arguments" name="declare.arguments" is="queueArguments" rows={2}
                placeholder='{"x-max-length": 100000}' hint="A JSON object" />
              <CheckField label="Durable" is="durable" />
            </div>
          )}
          <Bindings />
          <div class="fields">
            <TextField label="Prefetch" name="prefetch" is="prefetch" placeholder="1000" hint="Messages under way without acknowledgement, 1 to 65535" />
            <TextField label="Heartbeat, seconds" name="heartbeat_s" is="heartbeat" placeholder="10" hint="2 to 600" />
          </div>
          {draft.url.startsWith("amqps:") && <>
            <TextField label="Certificate authority" name="tls.ca" is="ca" rows={4}
              placeholder="-----BEGIN CERTIFICATE-----" hint="PEM text. Empty: the system's authorities." />
            <CheckField label="Verify the broker's certificate" is="verify" />
          </>}
        </div>
      </details>
    </>
  );
}

function SecretField({makeSecret}: {makeSecret: () => void}) {
  const {draft, change, wrong} = useForm();
  const secrets = useResource<List<{name: string}>>(may("secrets:write") ? "/v1/secrets" : null, {on: ["secret."], every: 5000});
  const names = (secrets.data?.items ?? []).map((one) => one.name);
  if (draft.secret && !names.includes(draft.secret)) names.unshift(draft.secret);
  return (
    <div class="field">
      <label for="secret">Password</label>
      <div class="bar joined">
        <select id="secret" value={draft.secret} aria-describedby="secret-hint" disabled={!may("secrets:write")}
          onChange={(event) => change({secret: event.currentTarget.value})}>
          <option value="">guest's own</option>
          {names.map((name) => <option key={name} value={name}>secret {name}</option>)}
        </select>
        {may("secrets:write") && <button type="button" onClick={makeSecret}>New secret</button>}
      </div>
      <span id="secret-hint" class="hint">Kept sealed on the server under a name; nobody can read it again.</span>
      {wrong?.field === "secret" && <span class="wrong" role="alert">{wrong.detail}</span>}
    </div>
  );
}

function Bindings() {
  const {draft, change, wrong} = useForm();
  const set = (at: number, part: Partial<Binding>): void => change({bind: draft.bind.map((one, index) => (index === at ? {...one, ...part} : one))});
  return (
    <fieldset class="section">
      <legend>Bindings</legend>
      {draft.bind.map((one, at) => (
        <div key={at} class="row">
          <input aria-label={`Exchange ${at + 1}`} placeholder="exchange" value={one.exchange}
            onInput={(event) => set(at, {exchange: event.currentTarget.value})} />
          <input aria-label={`Routing key ${at + 1}`} placeholder="routing key" value={one.key}
            onInput={(event) => set(at, {key: event.currentTarget.value})} />
          <input aria-label={`Headers ${at + 1}`} placeholder='or headers {"x-match": "all"}' value={one.headers}
            onInput={(event) => set(at, {headers: event.currentTarget.value})} />
          <button type="button" class="quiet" onClick={() => change({bind: draft.bind.filter((_, index) => index !== at)})}>
            Remove<span class="sr"> binding {at + 1}</span></button>
        </div>
      ))}
      {wrong?.field.startsWith("bind") && <span class="wrong" role="alert">{wrong.detail}</span>}
      <div><button type="button" onClick={() => change({bind: [...draft.bind, {exchange: "", key: "", headers: ""}]})}>Bind to an exchange</button></div>
    </fieldset>
  );
}

interface Tested { ok: boolean; step?: string | null; message?: string; hint?: string;
  server?: {product: string; version: string}; queue?: {messages: number; consumers: number} | null }

function TestConnection() {
  const {draft} = useForm();
  const [isBusy, busy] = useState(false);
  const [answer, tell] = useState<Tested | null>(null);
  const test = async (): Promise<void> => {
    busy(true);
    tell(null);
    try {
      tell(await post<Tested>("/v1/connections/amqp/test", {source: sourceOf(draft)}));
    } catch (error) {
      if (error instanceof Mistyped) tell({ok: false, message: `${error.field} ${error.message}`});
      else if (error instanceof Problem) tell({ok: false, message: error.detail || error.title, hint: error.hint ?? undefined});
      else throw error;
    }
    busy(false);
  };
  return (
    <div class="section tested">
      <div class="bar">
        <button type="button" disabled={isBusy || !draft.url || !draft.queue}
          onClick={() => void test()}>{isBusy ? "Asking the broker …" : "Test connection"}</button>
        <span class="hint">Connects, logs in and looks at the queue. Nothing is consumed.</span>
      </div>
      <div role="status">
        {answer && (answer.ok
          ? <p class="good-news"><b>It works.</b> {answer.server && `${answer.server.product} ${answer.server.version} answered. `}
              {answer.queue ? `${plural(answer.queue.messages, "message")} wait, ${count(answer.queue.consumers)} consume.`
                : "The queue is made with the stream."}</p>
          : <div class="problem"><b>It does not work{answer.step ? ` (at ${answer.step})` : ""}</b>
            <span>{answer.message}</span>{answer.hint && <span class="soft">{answer.hint}</span>}</div>)}
      </div>
    </div>
  );
}
