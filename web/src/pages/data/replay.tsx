/** A table becomes a stream: the server sends its rows as messages, in their order, in a minute or so. */
import {useState} from "preact/hooks";
import {inPath, post, Problem} from "../../api/client";
import {navigate} from "../../router";
import {ProblemBox} from "../../ui";
import {streamOf} from "../recipes/stream-name";

export function ReplayButton({object, isPrimary = false}: {object: string; isPrimary?: boolean}) {
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const stream = streamOf(object);
  const start = (): void => {
    busy(true);
    post("/v1/replays", {object, stream}).then(() => navigate(`/data/streams/${inPath(stream)}`), (error: Problem) => {
      fail(error);
      busy(false);
    });
  };
  return (
    <div class="bar">
      <button class={isPrimary ? "primary" : ""} disabled={isBusy} onClick={start}>Replay it as a stream</button>
      <span class="hint">Its rows come one after another in the stream <b>{stream}</b>, as if they happened now.</span>
      {problem && <ProblemBox problem={problem} />}
    </div>
  );
}
