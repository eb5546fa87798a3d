/** A new silence: for what, until when (always), and why (always); or again and again. */
import {useState} from "preact/hooks";
import {type List, post} from "../../api/client";
import {type Document, DocumentForm, get, ListAt, SelectAt, TextAt} from "../../form";
import {useResource} from "../../resource";
import {announce, Dialog} from "../../ui";

const LENGTHS: [string, string][] = [
  ["3600", "1 hour"],
  ["14400", "4 hours"],
  ["28800", "8 hours"],
  ["86400", "a day"],
  ["604800", "a week"],
  ["", "until …"],
];

export function MakeSilence({watch, keyOf, close}: {watch: string; keyOf: string; close: () => void}) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const [document, change] = useState<Document>({matchers: {...(watch ? {watch} : {}), ...(keyOf ? {key: keyOf} : {})}});
  const [length, setLength] = useState("3600");
  const [until, setUntil] = useState("");
  const [isRecurring, recur] = useState(false);
  const watches = useResource<List<{name: string}>>("/v1/watches").data?.items.map((one) => one.name) ?? [];
  const actions = useResource<List<{name: string}>>("/v1/actions").data?.items.map((one) => one.name) ?? [];
  const store = async (given: Document): Promise<void> => {
    const end = length ? new Date(Date.now() + Number(length) * 1000) : new Date(until);
    const {every, ...once} = given;
    await post("/v1/silences", {...once, until: end.toISOString(), ...(isRecurring ? {every} : {}), matchers: get(given, "/matchers") ?? {}});
    announce("Silenced");
    close();
  };
  return (
    <Dialog title="New silence" close={close}>
      <DocumentForm
        document={document}
        change={change}
        store={store}
        submit="Silence it"
        more={
          <button type="button" onClick={close}>
            Cancel
          </button>
        }>
        <div class="fields">
          <TextAt at="/matchers/watch" label="Watch" list={watches} placeholder="any" hint="* stands for anything" />
          <TextAt at="/matchers/key" label="Key" placeholder="any" hint="* stands for anything" />
          <SelectAt
            at="/matchers/level"
            label="Level"
            options={[
              ["", "any"],
              ["info", "info"],
              ["warning", "warning"],
              ["critical", "critical"],
            ]}
          />
          <TextAt at="/matchers/action" label="Action" list={actions} placeholder="any" />
          <label class="field">
            For
            <select value={length} onChange={(event) => setLength(event.currentTarget.value)}>
              {LENGTHS.map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          {!length && (
            <label class="field">
              Until
              <input type="datetime-local" required value={until} onInput={(event) => setUntil(event.currentTarget.value)} />
            </label>
          )}
          <TextAt at="/reason" label="Why" required wide placeholder="broker upgrade" />
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={isRecurring}
            onChange={(event) => {
              recur(event.currentTarget.checked);
              if (event.currentTarget.checked && !document["every"]) change({...document, every: {from: "02:00", to: "04:00", zone}});
            }}
          />
          Only in a maintenance time that comes again
        </label>
        {isRecurring && (
          <div class="fields">
            <ListAt at="/every/days" label="Days" placeholder="every day" hint="mon, tue, wed …" />
            <TextAt at="/every/from" label="From" required placeholder="02:00" />
            <TextAt at="/every/to" label="To" required placeholder="04:00" />
            <TextAt at="/every/zone" label="Time zone" placeholder="Europe/Berlin" />
          </div>
        )}
        <p class="hint">Watches go on learning and deciding; their decisions say which silence held them back.</p>
      </DocumentForm>
    </Dialog>
  );
}
