/** What asks before it does: restart, publish, run as a run, follow. */
import {useState} from "preact/hooks";
import {post, Problem, put} from "../../api/client";
import {navigate} from "../../router";
import {Dialog, ProblemBox} from "../../ui";
import type {Desk} from "./desk";
import {parametersOf} from "./parameters";
import {tagsOf} from "./types";

const close = (desk: Desk) => (): void => void (desk.panel.value = null);

export function Restart({desk, isRunningAll}: {desk: Desk; isRunningAll: boolean}) {
  return (
    <Dialog title={isRunningAll ? "Restart the kernel and run all?" : "Restart the kernel?"} close={close(desk)}>
      <p>All variables are lost. The outputs stay{isRunningAll ? " until the cells run again" : ""}.</p>
      <div class="bar">
        <button class="primary" autofocus onClick={() => void desk.restart(isRunningAll)}>{isRunningAll ? "Restart and run all" : "Restart"}</button>
        <button onClick={close(desk)}>Cancel</button>
      </div>
    </Dialog>
  );
}

/** Does it; its problem stays in the dialog. */
function useAttempt(): [Problem | null, boolean, (what: () => Promise<void>) => void] {
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  return [problem, isBusy, (what) => {
    busy(true);
    what().then(() => busy(false), (error: unknown) => {
      busy(false);
      fail(error instanceof Problem ? error : new Problem(0, "unknown", "That did not work", String(error), null, null, {}));
    });
  }];
}

export function Publish({desk}: {desk: Desk}) {
  const base = desk.doc.name.split("/").at(-1)!.replace(/\.ipynb$/, "");
  const [slug, setSlug] = useState(base.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "dashboard");
  const [title, setTitle] = useState(base);
  const [isCodeShown, showCode] = useState(false);
  const [problem, isBusy, attempt] = useAttempt();
  return (
    <Dialog title="Publish as a dashboard" close={close(desk)}>
      <form class="section" onSubmit={(event) => {
        event.preventDefault();
        attempt(async () => {
          await desk.doc.save();
          await put(`/v1/dashboards/${encodeURIComponent(slug)}`, {notebook: desk.doc.name, title, show_code: isCodeShown});
          desk.panel.value = null;
          navigate(`/d/${encodeURIComponent(slug)}`);
        });
      }}>
        <p>A read-only page of its own that shows this notebook's outputs and updates itself.</p>
        <div class="field">
          <label for="publish-title">Title</label>
          <input id="publish-title" value={title} required onInput={(event) => setTitle(event.currentTarget.value)} />
        </div>
        <div class="field">
          <label for="publish-slug">Address</label>
          <input id="publish-slug" value={slug} required pattern="[a-z0-9][a-z0-9-]*" onInput={(event) => setSlug(event.currentTarget.value)} />
          <span class="hint">/d/{slug}</span>
        </div>
        <label class="check">
          <input type="checkbox" checked={isCodeShown} onChange={(event) => showCode(event.currentTarget.checked)} />Show the code too
        </label>
        {problem && <ProblemBox problem={problem} />}
        <div class="bar"><button class="primary" disabled={isBusy}>Publish</button><button type="button" onClick={close(desk)}>Cancel</button></div>
      </form>
    </Dialog>
  );
}

/** The notebook as it is, run from the top by a kernel of its own, with values for its parameters. */
export function RunAsRun({desk}: {desk: Desk}) {
  const source = desk.order.map((id) => desk.doc.cell(id)!).find((cell) => tagsOf(cell.metadata.peek()).includes("parameters"))?.source.peek() ?? "";
  const lines = parametersOf(source).filter((line) => line.kind !== "other");
  const [values, set] = useState<Record<string, string>>(() => Object.fromEntries(lines.map((line) => [line.name, line.value])));
  const [problem, isBusy, attempt] = useAttempt();
  const start = async (): Promise<void> => {
    await desk.doc.save();
    const changed = lines.filter((line) => values[line.name] !== line.value);
    const parameters = Object.fromEntries(changed.map((line) => {
      const value = values[line.name] ?? "";
      return [line.name, line.kind === "number" ? Number(value) : line.kind === "check" ? value === "True" : value];
    }));
    const run = await post<{id: string}>("/v1/runs", {notebook: desk.doc.name, parameters});
    desk.panel.value = null;
    navigate(`/runs/${run.id}`);
  };
  return (
    <Dialog title="Run as a run" close={close(desk)}>
      <form class="section" onSubmit={(event) => (event.preventDefault(), attempt(start))}>
        <p>Every cell from the top, in a fresh kernel, recorded with its outputs and lineage. This notebook stays as it is.</p>
        {lines.map((line) => (
          <div class="field" key={line.name}>
            <label for={`run-${line.name}`}>{line.name}</label>
            {line.kind === "check"
              ? <input id={`run-${line.name}`} type="checkbox" checked={values[line.name] === "True"}
                  onChange={(event) => set({...values, [line.name]: event.currentTarget.checked ? "True" : "False"})} />
              : <input id={`run-${line.name}`} type={line.kind as "text"} step="any" required={line.kind === "number"} value={values[line.name]}
                  onInput={(event) => set({...values, [line.name]: event.currentTarget.value})} />}
            {line.help && <span class="hint">{line.help}</span>}
          </div>
        ))}
        {problem && <ProblemBox problem={problem} />}
        <div class="bar"><button class="primary" disabled={isBusy}>Start the run</button><button type="button" onClick={close(desk)}>Cancel</button></div>
      </form>
    </Dialog>
  );
}
