/** A stream's definition: what is kept for how long, pausing, deleting; all of it as JSON. */
import {useState} from "preact/hooks";
import {inPath, Problem, put, remove} from "../../api/client";
import type {StreamInfo} from "../../api/types";
import {navigate} from "../../router";
import {Dialog, ProblemBox} from "../../ui";
import {PushSnippets} from "./snippets";

export function SettingsTab({stream, changed}: {stream: StreamInfo; changed: () => void}) {
  const [text, write] = useState(() => JSON.stringify(stream.definition, null, 2));
  const [problem, fail] = useState<Problem | null>(null);
  const [isRemoving, removing] = useState(false);
  const path = `/v1/streams/${inPath(stream.name)}`;
  const store = (definition: unknown): void => void put(path, definition).then(() => (fail(null), changed()), fail);
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    try {
      store(JSON.parse(text));
    } catch (error) {
      fail(new Problem(400, "invalid", "This is not JSON", String(error), null, null, {}));
    }
  };
  return (
    <>
      <section class="card pad section">
        <div class="bar apart">
          <h2>Definition</h2>
          <button onClick={() => store({...stream.definition, paused: !stream.definition.paused})}>
            {stream.definition.paused ? "Take messages again" : "Pause it"}
          </button>
        </div>
        <form class="section" onSubmit={save}>
          {problem && <ProblemBox problem={problem} />}
          <label class="field">As JSON; what is left out has its default
            <textarea rows={16} value={text} spellcheck={false} onInput={(event) => write(event.currentTarget.value)} />
          </label>
          <div class="bar">
            <button class="primary">Save</button>
            <button type="button" class="danger" onClick={() => removing(true)}>Delete the stream</button>
          </div>
        </form>
      </section>
      {stream.definition.source.kind === "push" && <PushSnippets name={stream.name} />}
      {isRemoving && (
        <Dialog title="Delete the stream?" close={() => removing(false)}>
          <p>All messages of <b>{stream.name}</b> are deleted. This can't be undone.</p>
          {problem && <ProblemBox problem={problem} />}
          <div class="bar">
            <button class="danger" onClick={() => void remove(path).then(() => navigate("/data/streams"), fail)}>Delete it</button>
            <button onClick={() => removing(false)} autofocus>Keep it</button>
          </div>
        </Dialog>
      )}
    </>
  );
}
