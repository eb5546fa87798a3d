/** Signing in: as a page, or over a page whose session ended, which stays as it is behind. */
import {useState} from "preact/hooks";
import {session, signIn} from "../api/session";
import {Dialog, ProblemBox} from "../ui";

export function SignIn({isAgain = false}: {isAgain?: boolean}) {
  if (!isAgain) return <div class="sign"><h1>Sign in</h1><Form /></div>;
  return (
    <Dialog title="Your session has ended" close={() => undefined} isLocked>
      <p>Nothing is lost: sign in again, and the page goes on where it was.</p>
      <Form />
    </Dialog>
  );
}

function Form() {
  const [failure, fail] = useState<string | null>(null);
  const [isBusy, busy] = useState(false);
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const values = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string): string => String(values.get(name) ?? "");
    busy(true);
    fail(await signIn(text("user"), text("password"), text("tenant")).catch(() => "The server can't be reached."));
    busy(false);
  };
  return (
    <form class="section" onSubmit={(event) => void submit(event)}>
      {failure && <ProblemBox problem={{title: "That did not work", detail: failure}} />}
      <label class="field">User<input name="user" autocomplete="username" required defaultValue={session.value?.user ?? ""} /></label>
      <label class="field">Password<input name="password" type="password" autocomplete="current-password" required /></label>
      <details>
        <summary class="soft small">Another tenant</summary>
        <label class="field">Tenant<input name="tenant" placeholder="main" defaultValue={session.value?.tenant ?? ""} /></label>
      </details>
      <div class="bar"><button class="primary" disabled={isBusy}>Sign in</button></div>
      <p class="hint">No password? <code>suricate token login</code> on the server prints an address that signs you in once.</p>
    </form>
  );
}
