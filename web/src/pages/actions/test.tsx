/** Sends a sample now, and shows what came of it. */
import {useState} from "preact/hooks";
import {post, Problem} from "../../api/client";
import {seconds} from "../../text";
import {Dialog, Loading, ProblemBox} from "../../ui";
import {actionPath} from "../processing/words";

interface Outcome {
  outcome?: string;
  status?: number | null;
  took_ms?: number | null;
  error?: string | null;
  message?: string | null;
  delivered?: boolean;
  [more: string]: unknown;
}

const SHOWN = ["outcome", "status", "took_ms"];

export function TestButton({name}: {name: string}) {
  const [isOpen, open] = useState(false);
  return (
    <>
      <button class="quiet" onClick={() => open(true)}>
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

function Answer({found}: {found: Outcome}) {
  const rest = Object.fromEntries(Object.entries(found).filter(([name, value]) => !SHOWN.includes(name) && value !== null));
  const isGood = ["delivered", "sent", "ok", "success"].includes(String(found.outcome)) || found.delivered === true;
  return (
    <div class={isGood ? "good-news section" : "problem section"} role="status">
      <p>
        <b>{isGood ? "It arrived" : (found.outcome ?? "It did not arrive")}</b>
        {found.status ? `, answered ${found.status}` : ""}
        {typeof found.took_ms === "number" && `, took ${seconds(found.took_ms / 1000)}`}
      </p>
      {Object.keys(rest).length > 0 && (
        <pre class="act-json" tabIndex={0}>
          {JSON.stringify(rest, null, 2)}
        </pre>
      )}
    </div>
  );
}
