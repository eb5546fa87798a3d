/** An empty Suricate: three ways in. */
import {useState} from "preact/hooks";
import {UploadButton, upload} from "../../upload";
import {ProblemBox} from "../../ui";
import sample from "../../../../samples/denver-baltimore-2013-week1.csv?url";

const SAMPLE = "nfl/denver-baltimore-2013-week1.csv";

export function Newcomer() {
  const [isFailed, fail] = useState(false);
  const useSample = async (): Promise<void> => {
    fail(false);
    const answer = await fetch(sample).catch(() => null);
    if (!answer?.ok) return fail(true);
    upload([new File([await answer.blob()], "week1.csv", {type: "text/csv"})], SAMPLE);
  };
  return (
    <section class="card newcomer" aria-label="Begin here">
      <div class="newcomer-drop">
        <h2>Drop a file anywhere on this page</h2>
        <p>A table becomes a chart at once, and you are shown which recipes fit it. CSV, JSON and NDJSON are read as tables; anything else is kept as it is.</p>
        <div class="bar">
          <UploadButton isPrimary>Choose a file</UploadButton>
          <button onClick={() => void useSample()}>Use the sample data</button>
        </div>
        {isFailed && <ProblemBox problem={{title: "The sample can't be fetched", detail: "Try again, or drop a file of your own."}} />}
      </div>
      <p class="soft">The sample is one football game, a row per play. Or <a href="/data/streams/+new">connect a stream</a>: a queue of a broker, or
        messages that your programs push.</p>
    </section>
  );
}
