/** "Do you mean it?", with a reason where one is kept. */
import type {ComponentChildren} from "preact";
import {useState} from "preact/hooks";
import {Problem} from "../../api/client";
import {Dialog, ProblemBox} from "../../ui";

/** `reason`: its label; "" asks for none. `go` is given it; the dialog closes when that went well. */
export function Ask({
  title,
  children,
  act,
  go,
  close,
  reason = "",
  isReasonNeeded = false,
  isDanger = false,
}: {
  title: string;
  children?: ComponentChildren;
  act: string;
  go: (reason: string) => Promise<unknown>;
  close: () => void;
  reason?: string;
  isReasonNeeded?: boolean;
  isDanger?: boolean;
}) {
  const [text, type] = useState("");
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const send = (event: Event): void => {
    event.preventDefault();
    busy(true);
    go(text.trim()).then(close, (error: Problem) => {
      fail(error);
      busy(false);
    });
  };
  return (
    <Dialog title={title} close={close}>
      <form class="section" onSubmit={send}>
        {children}
        {reason && (
          <label class="field">
            {reason}
            <input value={text} required={isReasonNeeded} maxLength={500} onInput={(event) => type(event.currentTarget.value)} />
          </label>
        )}
        {problem && <ProblemBox problem={problem} />}
        <div class="bar">
          <button class={isDanger ? "danger" : "primary"} disabled={isBusy}>
            {act}
          </button>
          <button type="button" onClick={close}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
