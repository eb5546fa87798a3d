/** An analytics notebook becomes a processing notebook: shown as a diff, edited, stored as a new one, started. */
import {useEffect, useMemo, useState} from "preact/hooks";
import {api, inPath, type List, post, Problem} from "../../api/client";
import {navigate} from "../../router";
import {Copy, Dialog, Loading, ProblemBox} from "../../ui";
import type {Run} from "../runs/model";
import {assembled, codeOf, convert, type Converted, findReading, type Notebook} from "./convert";
import {diff} from "./diff";
import "./processing.css";

const EXAMPLE = `import suricate as s

for window in s.follow("STREAM", every="10s"):
    frame = window.frame
    print(window.start, len(frame))`;

export function Diff({before, now}: {before: string; now: string}) {
  const lines = useMemo(() => diff(before, now), [before, now]);
  const said = {same: "", gone: "gone: ", new: "new: "};
  return (
    <pre class="diff" tabIndex={0} aria-label="What changes in the code">
      {lines.map((line, at) => (
        <span key={at} class={line.kind}><span class="sr">{said[line.kind]}</span>{line.text || " "}{"\n"}</span>
      ))}
    </pre>
  );
}

function NothingFits({close}: {close: () => void}) {
  return (
    <div class="section">
      <p>No cell of this notebook reads a stretch of a stream, like <code>frame = s.window("STREAM", last="60s")</code>, or a table
        by <code>frame = s.read("…")</code> at the margin. So write the loop yourself; this is all it takes:</p>
      <Copy text={EXAMPLE} label="Copy the loop" />
      <p class="soft">What stands in the loop's body is done for each window; the place in the stream is kept when it comes round.</p>
      <div class="bar"><button onClick={close}>Close</button></div>
    </div>
  );
}

const nameFor = (name: string): string => `${name.replace(/\.ipynb$/, "")}-live.ipynb`;
const quoted = (text: string): string => JSON.stringify(text);

interface Form {
  stream: string;
  every: string;
  fromEarliest: boolean;
  name: string;
}

function Fields({form, set, streams}: {form: Form; set: (form: Form) => void; streams: string[]}) {
  return (
    <div class="fields">
      <label class="field">Stream
        <input value={form.stream} list="follow-streams" required spellcheck={false} onInput={(event) => set({...form, stream: event.currentTarget.value})} />
        <datalist id="follow-streams">{streams.map((name) => <option key={name} value={name} />)}</datalist>
      </label>
      <label class="field">A window of
        <input value={form.every} required pattern="[0-9]+(ms|s|m|h|d)" onInput={(event) => set({...form, every: event.currentTarget.value})} />
        <span class="hint">like 10s, 5m, 1h</span>
      </label>
      <label class="field">Store it as
        <input value={form.name} required spellcheck={false} onInput={(event) => set({...form, name: event.currentTarget.value})} />
      </label>
      <label class="check">
        <input type="checkbox" checked={form.fromEarliest} onChange={(event) => set({...form,
          fromEarliest: event.currentTarget.checked})} />Begin with the oldest message
      </label>
    </div>
  );
}

function Editor({notebook, name, streams, close}: {notebook: Notebook; name: string; streams: string[]; close: () => void}) {
  const reading = findReading(notebook);
  const isNamed = reading?.call === "window" && /^["']/.test(reading.source);
  const first = isNamed ? reading.source.slice(1, -1) : reading?.call === "window" ? "" : streams[0] ?? "";
  const [form, set] = useState<Form>({stream: first, every: reading?.last ?? "10s", fromEarliest: reading?.call === "read", name: nameFor(name)});
  const [edited, edit] = useState<string | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const stream = form.stream ? quoted(form.stream) : reading?.source ?? '"STREAM"';
  const converted = useMemo<Converted | null>(() => convert(notebook, {stream, every: form.every, fromEarliest: form.fromEarliest}),
    [notebook, stream, form.every, form.fromEarliest]);
  if (!converted) return <NothingFits close={close} />;
  const loop = edited ?? converted.loop;
  const store = async (isStarted: boolean): Promise<void> => {
    try {
      await api(`/v1/notebooks/${inPath(form.name)}`, {method: "PUT", body: JSON.stringify(assembled(notebook, converted, loop)),
        headers: {"Content-Type": "application/x-ipynb+json", "If-None-Match": "*"}});
      const run = isStarted ? await post<Run>("/v1/runs", {notebook: form.name, follow: true}) : null;
      close();
      navigate(run ? `/processing/${run.id}` : `/notebooks/${inPath(form.name)}`);
    } catch (error) {
      if (error instanceof Problem) fail(error.status === 412
        ? new Problem(412, error.slug, "There is a notebook of that name", "Choose another name.", null, null, {}) : error);
    }
  };
  return (
    <form class="section" onSubmit={(event) => {
      event.preventDefault();
      void store(true);
    }}>
      <Fields form={form} set={set} streams={streams} />
      <details open><summary>What changes</summary><Diff before={codeOf(notebook.cells)} now={`${codeOf(converted.cells)}\n\n${loop}`.trimStart()} />
        </details>
      <label class="field">The loop, as it will be stored
        <textarea rows={Math.min(16, loop.split("\n").length + 1)} spellcheck={false} value={loop} onInput={(event) => edit(event.currentTarget.value)} />
      </label>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar">
        <button class="primary" type="submit">Store and start</button>
        <button type="button" onClick={() => void store(false)}>Store only</button>
        {edited !== null && <button type="button" class="quiet" onClick={() => edit(null)}>Undo my changes</button>}
        <button type="button" onClick={close}>Leave it</button>
      </div>
    </form>
  );
}

/** The dialog. `notebook`: its name. */
export function FollowThis({notebook, close}: {notebook: string; close: () => void}) {
  const [known, learn] = useState<{notebook: Notebook; streams: string[]} | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  useEffect(() => {
    Promise.all([api<Notebook>(`/v1/notebooks/${inPath(notebook)}`), api<List<{name: string}>>("/v1/streams?limit=500")]).then(
      ([found, streams]) => learn({notebook: found, streams: streams.items.map((item) => item.name)}),
      (error: unknown) => error instanceof Problem && fail(error));
  }, [notebook]);
  return (
    <Dialog title="Follow this" close={close}>
      {problem ? <ProblemBox problem={problem} /> : !known ? <Loading what="Reading the notebook" />
        : <Editor notebook={known.notebook} name={notebook} streams={known.streams} close={close} />}
    </Dialog>
  );
}
