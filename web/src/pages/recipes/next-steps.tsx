/** What can follow a recipe's run: its table again as a stream, and the same question asked of that stream for good. */
import {useState} from "preact/hooks";
import {inPath, post, Problem} from "../../api/client";
import {navigate} from "../../router";
import {ProblemBox} from "../../ui";
import {streamOf} from "./stream-name";

/** What it needs to know of a run. */
export interface Done { id: string; state: string; recipe: {name: string} | null; object: string | null; result: unknown }

/** For a run's page, on top. Shows nothing for a run that was not a recipe's on an object, or is not over. */
export function NextSteps({run}: {run: Done}) {
  const [stream, replaying] = useState<string | null>(null);
  const [isBusy, busy] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const object = run.object;
  if (!run.recipe || !object || run.state !== "succeeded") return null;
  const step = async (work: () => Promise<void>): Promise<void> => {
    busy(true);
    fail(null);
    try {
      await work();
    } catch (error) {
      fail(error as Problem);
    }
    busy(false);
  };
  const replay = async (): Promise<void> => {
    const name = streamOf(object);
    await post("/v1/replays", {object, stream: name});
    replaying(name);
  };
  const follow = async (name: string): Promise<void> => {
    const {followWith} = await import("./follow");
    await followWith(run, name);
    navigate(`/data/streams/${inPath(name)}`);
  };
  return (
    <section class="card pad section" aria-label="Next steps">
      <p role="status">
        {stream === null
          ? <>What if <b>{object}</b> happened now? Its rows can come one after another, as a stream.</>
          : <>The rows of <b>{object}</b> are coming in, in the stream <a href={`/data/streams/${inPath(stream)}`}>{stream}</a>.</>}
      </p>
      <div class="bar">
        <button class="primary" disabled={isBusy} onClick={() => void step(stream === null ? replay : () => follow(stream))}>
          {stream === null ? "Replay it as a stream" : "Follow it"}
        </button>
        <a class="quiet button" href={`/recipes/${inPath(run.recipe.name)}?object=${encodeURIComponent(object)}`}>Other parameters</a>
      </div>
      {problem && <ProblemBox problem={problem} />}
    </section>
  );
}
