/** The state of a watch in a word, with how many of its keys fire. */
import type {WatchInfo} from "../../api/acting";
import {plural} from "../../text";

export function WatchState({watch}: {watch: WatchInfo}) {
  if (watch.error)
    return (
      <span class="state bad" title={watch.error}>
        failing
      </span>
    );
  if (watch.definition.enabled === false || watch.state === "paused") return <span class="state">paused</span>;
  if (watch.state !== "running") return <span class="state live">{watch.state}</span>;
  return watch.firing > 0 ? (
    <span class="state bad">{watch.keys > 1 ? `${plural(watch.firing, "key")} firing` : "firing"}</span>
  ) : (
    <span class="state good">watching</span>
  );
}
