/** Stops everything that goes out, within a second; what is decided is kept. */
import {useState} from "preact/hooks";
import type {Switch} from "../../api/acting";
import {put} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {announce} from "../../ui";
import {Ask} from "../processing/ask";

export function KillSwitch() {
  const found = useResource<Switch>("/v1/switch", {on: ["actions."]});
  const [isAsking, ask] = useState(false);
  if (!found.data || !may("actions:write")) return null;
  const isStopped = found.data.actions === "stopped";
  const turn = async (reason: string): Promise<void> => {
    await put("/v1/switch", {actions: isStopped ? "running" : "stopped", ...(reason ? {reason} : {})});
    announce(isStopped ? "Actions run again" : "All actions are stopped");
    found.refresh();
  };
  return (
    <>
      <button class={isStopped ? "primary" : "danger"} onClick={() => ask(true)}>
        {isStopped ? "Let actions run again" : "Stop all actions"}
      </button>
      {isAsking && (
        <Ask
          title={isStopped ? "Let actions run again?" : "Stop all actions?"}
          act={isStopped ? "Let them run" : "Stop them"}
          isDanger={!isStopped}
          reason="Why"
          isReasonNeeded={!isStopped}
          go={turn}
          close={() => ask(false)}>
          <p>
            {isStopped
              ? "What waits is sent now, in its order."
              : "Nothing goes out from now on. Watches and notebooks go on deciding; what they decide waits."}
          </p>
        </Ask>
      )}
    </>
  );
}
