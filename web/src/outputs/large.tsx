/** An output that the server keeps until somebody wants to see it. */
import {useState} from "preact/hooks";
import {api, Problem} from "../api/client";
import {bytes} from "../text";
import {One} from "./Outputs";
import type {Output, TooLarge} from "./types";

export function Large({at}: {at: TooLarge}) {
  const [output, set] = useState<Output | null>(null);
  const [state, setState] = useState<"kept" | "loading" | string>("kept");
  const load = async (): Promise<void> => {
    setState("loading");
    try {
      set(await api<Output>(at.href));
    } catch (error) {
      setState(error instanceof Problem ? error.message : String(error));
    }
  };
  if (output) return <One output={output} />;
  return (
    <div class="out-large">
      <button onClick={() => void load()} disabled={state === "loading"}>
        {state === "loading" ? "Loading …" : `Show this output (${bytes(at.too_large)})`}
      </button>
      {state !== "kept" && state !== "loading" && <span class="small"> It could not be loaded: {state}</span>}
    </div>
  );
}
