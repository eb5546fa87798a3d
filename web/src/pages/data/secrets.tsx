/** Secrets by name: their values go to the server and never come back. */
import {useState} from "preact/hooks";
import {Problem, put, type List} from "../../api/client";
import {useResource} from "../../resource";
import {Dialog, ProblemBox} from "../../ui";

export function SecretPicker({name, label}: {name: string; label: string}) {
  const secrets = useResource<List<{name: string}>>("/v1/secrets");
  const [isMaking, making] = useState(false);
  return (
    <div class="field">
      <label for={`secret-${name}`}>{label}</label>
      <div class="bar">
        <select id={`secret-${name}`} name={name}>
          <option value="">none</option>
          {(secrets.data?.items ?? []).map((one) => <option key={one.name}>{one.name}</option>)}
        </select>
        <button type="button" onClick={() => making(true)}>New secret</button>
      </div>
      <span class="hint">Kept sealed under a name; only its name stands in the definition</span>
      {isMaking && <MakeSecret close={() => (making(false), secrets.refresh())} />}
    </div>
  );
}

function MakeSecret({close}: {close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const keep = (): void => void put(`/v1/secrets/${encodeURIComponent(name)}`, {value}).then(close, fail);
  return (
    <Dialog title="New secret" close={close}>
      {problem && <ProblemBox problem={problem} />}
      <label class="field">Name<input value={name} onInput={(event) => setName(event.currentTarget.value)} autofocus autocomplete="off" /></label>
      <label class="field">Value
        <input type="password" value={value} onInput={(event) => setValue(event.currentTarget.value)} autocomplete="new-password" />
      </label>
      <div class="bar">
        <button type="button" class="primary" disabled={!name || !value} onClick={keep}>Keep it</button>
        <button type="button" onClick={close}>Cancel</button>
      </div>
    </Dialog>
  );
}
