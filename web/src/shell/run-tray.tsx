/** How many runs are under way, at the top of every page. */
import {signal} from "@preact/signals";
import {useEffect} from "preact/hooks";
import {onEvents} from "../api/events";
import {useResource} from "../resource";
import {address} from "../router";
import {plural} from "../text";
import {announce} from "../ui";

interface Status { runs: {queued: number; running: number} }

/** The overview tells them by itself: one request less before it stands there. */
export const runsNow = signal<Status["runs"] | null>(null);

export function RunTray() {
  const status = useResource<Status>(address.value.path === "/" ? null : "/v1/status", {on: ["run."]});
  useEffect(() => onEvents((event, detail) => {
    const told = (name: string, otherwise = ""): string => String(detail[name] ?? otherwise);
    if (event === "run.finished") announce(`A run of ${told("notebook", "a notebook")} has ended: ${told("state")}`);
    if (event === "anomaly.opened") announce(`${told("watch")} ${told("key")} is ${told("level")}`);
    if (event === "anomaly.resolved") announce(`${told("watch")} ${told("key")} is over`);
  }), []);
  const {running = 0, queued = 0} = (address.value.path === "/" ? runsNow.value : status.data?.runs) ?? {};
  if (running + queued === 0) return null;
  return <a class="quiet button" href="/runs"><span class="state live">{plural(running, "run")}{queued ? `, ${queued} queued` : ""}</span></a>;
}
