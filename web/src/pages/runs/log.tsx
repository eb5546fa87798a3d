/** What happened to a run, line by line. */
import {useEffect, useState} from "preact/hooks";
import {send} from "../../api/client";
import {Loading} from "../../ui";
import {isUnderWay, type Run} from "./model";

export function Log({run}: {run: Run}) {
  const [text, set] = useState<string | null>(null);
  useEffect(() => {
    const read = (): void => void send(`/v1/runs/${run.id}/log`).then(async (answer) => set(await answer.text()), () => undefined);
    read();
    const timer = isUnderWay(run) ? setInterval(read, 2000) : undefined;
    return () => clearInterval(timer);
  }, [run.id, run.state]);
  return (
    <section class="card pad" aria-label="Log">
      {text === null ? <Loading what="Reading the log" /> : text === "" ? <p class="soft">The log is empty.</p>
        : <pre class="run-log" tabIndex={0}>{text}</pre>}
    </section>
  );
}
