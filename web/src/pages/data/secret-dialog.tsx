/** A password gets a name; the server seals it and never shows it again. */
import {useState} from "preact/hooks";
import {Problem, put} from "../../api/client";
import {Dialog, ProblemBox} from "../../ui";

export function SecretDialog({close}: {close: (made: string | null) => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const name = String(form.get("name") ?? "");
    put(`/v1/secrets/${encodeURIComponent(name)}`, {value: String(form.get("value") ?? "")}).then(() => close(name), fail);
  };
  return (
    <Dialog title="New secret" close={() => close(null)}>
      <form class="section" onSubmit={save} autocomplete="off">
        {problem && <ProblemBox problem={problem} />}
        <label class="field">Name<input name="name" required autofocus maxLength={128}
          pattern="[A-Za-z0-9._\-]+" title="Letters, digits, dot, - and _" placeholder="broker-password" /></label>
        <label class="field">Value<input name="value" type="password" required autocomplete="new-password" /></label>
        <p class="hint">A secret of that name is replaced.</p>
        <div class="bar"><button class="primary">Keep it</button><button type="button" onClick={() => close(null)}>Cancel</button></div>
      </form>
    </Dialog>
  );
}
