/** Fires a trigger by hand, and shows what came of it; its secret URL, shown once. */
import {useState} from "preact/hooks";
import {api, post, Problem} from "../../api/client";
import {Copy, Dialog, ProblemBox} from "../../ui";
import {decisionHref, triggerPath} from "../processing/words";

interface Fired {
  decision: string | null;
  state: string;
}

export function FireButton({name, isPlain = false}: {name: string; isPlain?: boolean}) {
  const [isOpen, open] = useState(false);
  return (
    <>
      <button class={isPlain ? "" : "quiet"} onClick={() => open(true)}>
        Fire<span class="sr"> {name}</span>
      </button>
      {isOpen && <FireDialog name={name} close={() => open(false)} />}
    </>
  );
}

function FireDialog({name, close}: {name: string; close: () => void}) {
  const [text, type] = useState("");
  const [fired, show] = useState<Fired | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const send = (event: Event): void => {
    event.preventDefault();
    let parameters: unknown = {};
    try {
      parameters = text.trim() ? JSON.parse(text) : {};
    } catch {
      fail(new Problem(0, "invalid", "The parameters are not JSON", 'Write them like {"file": "a.csv"}.', null, null, {}));
      return;
    }
    fail(null);
    post<Fired>(`${triggerPath(name)}/fire`, {parameters}).then(show, (error: Problem) => fail(error));
  };
  return (
    <Dialog title={`Fire ${name}`} close={close}>
      <form class="section" onSubmit={send}>
        <label class="field">
          Parameters
          <textarea rows={3} value={text} placeholder="{}" spellcheck={false} onInput={(event) => type(event.currentTarget.value)} />
          <span class="hint">
            JSON; what the trigger's templates call <code>event</code>
          </span>
        </label>
        {problem && <ProblemBox problem={problem} />}
        {fired && <Answer fired={fired} />}
        <div class="bar">
          <button class="primary">{fired ? "Fire again" : "Fire it"}</button>
          <button type="button" onClick={close}>
            Close
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const SAID: Record<string, string> = {fired: "Fired.", queued: "It waits for the one under way.", skipped: "Passed by: one is under way."};

function Answer({fired}: {fired: Fired}) {
  return (
    <p class="good-news" role="status">
      <b>{SAID[fired.state] ?? fired.state}</b> {fired.decision && <a href={decisionHref(fired.decision)}>Its decision</a>}
    </p>
  );
}

export function SecretUrl({name}: {name: string}) {
  const [url, show] = useState<string | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const make = (): void =>
    void api<{path: string; url: string}>(`${triggerPath(name)}/secret-url`, {method: "POST"}).then(
      (made) => show(location.origin + made.path),
      (error: Problem) => fail(error),
    );
  return (
    <section class="card pad section" aria-label="Secret URL">
      <h2>A secret URL</h2>
      <p class="soft">For callers that cannot set headers: whoever knows it may fire this trigger, and nothing else. A new one ends the old one.</p>
      {problem && <ProblemBox problem={problem} />}
      <div>
        <button onClick={make}>Make a secret URL</button>
      </div>
      {url && (
        <Dialog title="The secret URL" close={() => show(null)}>
          <p>It is shown this once. Paste this where it is to be fired from:</p>
          <Copy text={`curl -sS --fail-with-body -X POST '${url}' \\\n  -H 'Content-Type: application/json' -d '{}'`} label="Copy the command" />
          <Copy text={url} label="Copy the URL" />
          <div class="bar">
            <button class="primary" onClick={() => show(null)}>
              Done
            </button>
          </div>
        </Dialog>
      )}
    </section>
  );
}
