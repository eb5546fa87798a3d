/** Sends a sample now, and shows what came of it. */
import {useState} from "preact/hooks";
import {post, Problem} from "../../api/client";
import {seconds} from "../../text";
import {Dialog, Loading, ProblemBox} from "../../ui";
import {actionPath} from "../processing/words";

interface Outcome {
  outcome: "sent" | "retry" | "failed";
  status: number | null;
  took_ms: number;
  error: string | null;
  answer: string | null;
}

export function TestButton({name, isPlain = false}: {name: string; isPlain?: boolean}) {
  const [isOpen, open] = useState(false);
  return (
    <>
      <button class={isPlain ? "" : "quiet"} onClick={() => open(true)}>
        Test<span class="sr"> {name}</span>
      </button>
      {isOpen && <TestDialog name={name} close={() => open(false)} />}
    </>
  );
}

function TestDialog({name, close}: {name: string; close: () => void}) {
  const [isBusy, busy] = useState(false);
  const [found, show] = useState<Outcome | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const send = (): void => {
    busy(true);
    show(null);
    fail(null);
    post<Outcome>(`${actionPath(name)}/test`)
      .then(show, (error: Problem) => fail(error))
      .finally(() => busy(false));
  };
  return (
    <Dialog title={`Test ${name}`} close={close}>
      <p>A sample decision is sent now, marked as a test.</p>
      {isBusy && <Loading what="Sending" />}
      {problem && <ProblemBox problem={problem} />}
      {found && <Answer found={found} />}
      <div class="bar">
        <button class="primary" disabled={isBusy} onClick={send}>
          {found || problem ? "Send again" : "Send the sample"}
        </button>
        <button onClick={close}>Close</button>
      </div>
    </Dialog>
  );
}

const SAID: Record<Outcome["outcome"], string> = {
  sent: "It arrived",
  retry: "It did not arrive, and would be tried again",
  failed: "It did not arrive, and would not be tried again",
};

function Answer({found}: {found: Outcome}) {
  return (
    <div class={`${found.outcome === "sent" ? "good-news" : "problem"} section`} role="status">
      <p>
        <b>{SAID[found.outcome]}</b>
        {found.status ? `, answered ${found.status}` : ""}, took {seconds(found.took_ms / 1000)}.
      </p>
      {found.error && <p>{found.error}</p>}
      {found.answer && (
        <pre class="act-json" tabIndex={0}>
          {found.answer}
        </pre>
      )}
    </div>
  );
}
