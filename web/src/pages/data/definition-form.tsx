/** The form of a stream's definition: a new one, or one that is there. */
import type {ComponentChildren} from "preact";
import {useEffect, useRef, useState} from "preact/hooks";
import {Problem} from "../../api/client";
import {AmqpFields} from "./amqp-fields";
import {KeepFields, MessageFields} from "./common-fields";
import {DerivedFields} from "./derived-fields";
import {definitionOf, type Draft, Mistyped} from "./draft";
import {FormContext, TextField, Unplaced, type Wrong, wrongOf} from "./fields";
import {SecretDialog} from "./secret-dialog";

export function DefinitionForm({initial, isNew, label, store, children}: {
  initial: Draft; isNew: boolean; label: string; store: (name: string, definition: Record<string, unknown>) => Promise<void>; children?: ComponentChildren;
}) {
  const [draft, set] = useState(initial);
  const [wrong, mark] = useState<Wrong | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const [isMakingSecret, makeSecret] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const change = (part: Partial<Draft>): void => set((old) => ({...old, ...part}));
  useEffect(() => {
    if (wrong) showWrong(form.current);
  }, [wrong]);
  const submit = async (): Promise<void> => {
    busy(true);
    mark(null);
    fail(null);
    try {
      await store(draft.name.trim(), definitionOf(draft));
    } catch (error) {
      if (error instanceof Mistyped) mark({field: error.field, detail: error.message, hint: null});
      else if (error instanceof Problem) {
        fail(error);
        mark(wrongOf(error));
      } else throw error;
    } finally {
      busy(false);
    }
  };
  return (
    <FormContext.Provider value={{draft, change, wrong}}>
      <form ref={form} class="section definition" onSubmit={(event) => (event.preventDefault(), void submit())}>
        <Unplaced problem={problem} />
        <section class="card pad section">
          {isNew && <div class="fields"><TextField label="Name" name="name" is="name" required wide placeholder="kitchen/sensors" /></div>}
          {draft.kind === "amqp" && <AmqpFields makeSecret={() => makeSecret(true)} />}
          {draft.kind === "derived" && <DerivedFields />}
          {draft.kind === "push" && <MessageFields />}
        </section>
        {draft.kind === "amqp" && <section class="card pad section"><h2>Its messages</h2><MessageFields /></section>}
        {isNew
          ? <details class="card pad"><summary>What is kept, limits</summary><div class="inner"><KeepFields /></div></details>
          : <section class="card pad section"><h2>What is kept, limits</h2><KeepFields /></section>}
        <div class="bar"><button class="primary" disabled={isBusy}>{label}</button>{children}</div>
      </form>
      {isMakingSecret && <SecretDialog close={(made) => (makeSecret(false), made !== null && change({secret: made}))} />}
    </FormContext.Provider>
  );
}

/** Opens what hides the field that is wrong, and goes there. */
function showWrong(form: HTMLFormElement | null): void {
  const said = form?.querySelector(".wrong");
  const details = said?.closest("details");
  if (details) details.open = true;
  const control = form?.querySelector<HTMLElement>("[aria-invalid=true]") ?? null;
  control?.focus();
  (control ?? said)?.scrollIntoView({block: "center"});
}
