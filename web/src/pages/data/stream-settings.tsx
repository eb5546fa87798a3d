/** A stream's definition, to be changed; and its end. */
import {useState} from "preact/hooks";
import {Problem, put, remove} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import {announce, Dialog, ProblemBox} from "../../ui";
import {DefinitionForm} from "./definition-form";
import {draftOf} from "./draft";
import {streamPath, type StreamInfo} from "./stream-model";

export function Settings({info, changed}: {info: StreamInfo; changed: () => void}) {
  const [isRemoving, removing] = useState(false);
  const [isSaved, saved] = useState(false);
  const store = async (_name: string, definition: Record<string, unknown>): Promise<void> => {
    saved(false);
    await put(streamPath(info.name), definition);
    saved(true);
    announce("Saved");
    changed();
  };
  if (!may("streams:write")) return <p class="soft">You may read this stream, not change it.</p>;
  return (
    <>
      <DefinitionForm key={info.created_at} initial={draftOf(info.name, info.definition)} isNew={false} label="Save" store={store}>
        {isSaved && <span class="soft">Saved.</span>}
        <span class="grow" />
        <button type="button" class="quiet danger" onClick={() => removing(true)}>Delete the stream</button>
      </DefinitionForm>
      {isRemoving && <Remove info={info} close={() => removing(false)} />}
    </>
  );
}

function Remove({info, close}: {info: StreamInfo; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const go = (force: boolean): void => void remove(streamPath(info.name) + (force ? "?force=true" : "")).then(() => navigate("/data/streams"), fail);
  return (
    <Dialog title="Delete the stream?" close={close}>
      <p>All {info.messages.toLocaleString("en")} messages of <b><bdi>{info.name}</bdi></b> are deleted, for good.</p>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar">
        {problem?.status === 409
          ? <button class="danger" onClick={() => go(true)}>Delete it all the same</button>
          : <button class="danger" onClick={() => go(false)}>Delete it</button>}
        <button onClick={close} autofocus>Keep it</button>
      </div>
    </Dialog>
  );
}
