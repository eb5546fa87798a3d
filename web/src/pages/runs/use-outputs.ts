/** A run's outputs and its notebook, for components. */
import {useEffect, useState} from "preact/hooks";
import {api} from "../../api/client";
import {RunOutputs, type SourceCell} from "./live-outputs";
import {isUnderWay, type Run, sourceOf} from "./model";

/** Follows the run's outputs while the component lives; `changed` hears of states and cells. */
export function useOutputs(run: Run | null, changed: () => void): RunOutputs | null {
  const [outputs, set] = useState<RunOutputs | null>(null);
  const id = run?.id;
  useEffect(() => {
    if (!run) return undefined;
    const made = new RunOutputs(run.id, changed);
    made.open(!isUnderWay(run));
    set(made);
    return () => made.close();
  }, [id]);
  return outputs;
}

/** The cells of the notebook as it was when the run began. */
export function useSources(run: Run): SourceCell[] | null {
  const [cells, set] = useState<SourceCell[] | null>(null);
  const address = isUnderWay(run) ? sourceOf(run) : null;
  useEffect(() => {
    if (address) api<{cells: SourceCell[]}>(address).then((notebook) => set(notebook.cells), () => set(null));
  }, [address]);
  return cells;
}
