/** Stops taking messages, and goes on. */
import {useState} from "preact/hooks";
import {Problem, put} from "../../api/client";
import {ProblemBox} from "../../ui";
import {streamPath, type StreamInfo} from "./stream-model";

export function PauseButton({info, changed}: {info: StreamInfo; changed: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const {paused} = info.definition;
  const turn = (): void => {
    fail(null);
    put(streamPath(info.name), {...info.definition, paused: !paused}).then(changed, fail);
  };
  return <><button class="quiet" onClick={turn}>{paused ? "Take messages again" : "Pause the stream"}</button>{problem && <ProblemBox problem={problem} />}</>;
}
