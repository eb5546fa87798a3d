/** Changing an object's tags and metadata, and deleting it. */
import {useState} from "preact/hooks";
import {inPath, patch, Problem, remove} from "../../api/client";
import type {ObjectInfo} from "../../api/types";
import {navigate} from "../../router";
import {Dialog, ProblemBox} from "../../ui";

export function EditTags({info, close}: {info: ObjectInfo; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const save = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const tags = String(form.get("tags") ?? "").split(",").map((tag) => tag.trim()).filter(Boolean);
    let metadata: unknown;
    try {
      metadata = JSON.parse(String(form.get("metadata") || "{}"));
    } catch {
      fail(new Problem(400, "invalid", "The metadata is not JSON", "It is a JSON object such as {\"season\": 2013}.", null, null, {}));
      return;
    }
    patch(`/v1/objects/${inPath(info.name)}`, {tags, metadata}).then(close, fail);
  };
  return (
    <Dialog title="Tags and metadata" close={close}>
      <form class="section" onSubmit={save}>
        {problem && <ProblemBox problem={problem} />}
        <label class="field">Tags, with commas between<input name="tags" defaultValue={info.tags.join(", ")} autofocus /></label>
        <label class="field">Metadata, as JSON
          <textarea name="metadata" rows={5} spellcheck={false} defaultValue={JSON.stringify(info.metadata ?? {}, null, 2)} />
        </label>
        <div class="bar"><button class="primary">Save</button><button type="button" onClick={close}>Cancel</button></div>
      </form>
    </Dialog>
  );
}

export function Remove({name, close}: {name: string; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  return (
    <Dialog title="Delete the object?" close={close}>
      <p>All versions of <b><bdi>{name}</bdi></b> are deleted. Runs that read it keep what they made.</p>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar">
        <button class="danger" onClick={() => void remove(`/v1/objects/${inPath(name)}`).then(() => navigate("/data"), fail)}>Delete it</button>
        <button onClick={close} autofocus>Keep it</button>
      </div>
    </Dialog>
  );
}
