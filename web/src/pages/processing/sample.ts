/** The live favourite receiver: the sample game comes again as a stream, a notebook follows it and redraws after each play. */
import {api, inPath, type List, post, Problem, put, remove, send} from "../../api/client";
import {isUnderWay, type Run} from "../runs/model";
import table from "../../../../samples/denver-baltimore-2013-week1.csv?url";
import notebook from "../../../../samples/live-chart/favourite-receiver-live.ipynb?url";

const AT = "sample/plays";
const OBJECT = `${AT}.ndjson`;
const NOTEBOOK = "sample/favourite-receiver-live.ipynb";
const KICK_OFF = Date.parse("2013-09-06T00:30:00Z");
/** So many times as fast as the game's clock: about half a minute. */
const SPEED = 120;
const QUARTER_S = 15 * 60;
const NUMBERS = new Set(["quarter", "down", "distance", "yard_line", "complete", "yards", "touchdown"]);

/** Seconds of game time before a play; null when its row has no clock. */
function second(play: Record<string, string>): number | null {
  const [minutes, seconds] = (play["clock"] ?? "").split(":").map(Number);
  return play["clock"] && play["quarter"] ? Number(play["quarter"]) * QUARTER_S - (minutes ?? 0) * 60 - (seconds ?? 0) : null;
}

/** Each play with the time it happened at; none shares a second with another (samples/live-chart/plays says more). */
export function timed(csv: string): string {
  const [head = "", ...rows] = csv.trim().split("\n");
  const names = head.split(",");
  let last = -1;
  return rows.map((row) => {
    const fields = row.split(",");
    const play = Object.fromEntries(names.map((name, at) => [name, fields[at] ?? ""]));
    const at = second(play);
    last = at === null ? last + 1 : Math.max(at, last + 1);
    const plain = names.map((name) => [name, play[name] === "" ? null : NUMBERS.has(name) ? Number(play[name]) : play[name]]);
    return JSON.stringify({at: new Date(KICK_OFF + last * 1000).toISOString(), ...Object.fromEntries(plain)});
  }).join("\n") + "\n";
}

const text = async (address: string): Promise<string> => (await send(address)).text();

async function gone(path: string): Promise<void> {
  await remove(path).catch((error: unknown) => {
    if (!(error instanceof Problem && error.status === 404)) throw error;
  });
}

/** What an earlier time has left: the run is stopped, its stream begins anew. */
async function clear(): Promise<void> {
  const before = await api<List<Run>>(`/v1/runs?notebook=${encodeURIComponent(NOTEBOOK)}&follow=true&limit=100`);
  for (const run of before.items.filter(isUnderWay)) await api(`/v1/runs/${run.id}/cancel?wait=20s`, {method: "POST", body: {}});
  const replays = await api<List<{id: string; stream: string; state: string}>>("/v1/replays?limit=200");
  for (const replay of replays.items) if (replay.stream === AT && replay.state === "running") await gone(`/v1/replays/${replay.id}`);
  await gone(`/v1/streams/${AT}?force=true`);
}

/** Starts it; the run to look at. */
export async function startSample(): Promise<Run> {
  const [plays, loop] = await Promise.all([text(table).then(timed), text(notebook), clear()]);
  await api(`/v1/objects/${OBJECT}`, {method: "PUT", body: plays, headers: {"Content-Type": "application/x-ndjson"}});
  await put(`/v1/streams/${AT}`, {source: {kind: "push"}, time: {field: "at"}, idle: "1s"});
  await api(`/v1/notebooks/${inPath(NOTEBOOK)}`, {method: "PUT", body: loop,
    headers: {"Content-Type": "application/x-ipynb+json", "If-None-Match": "*"}}).catch(
    (error: unknown) => {
      if (!(error instanceof Problem && error.status === 412)) throw error; // it is there, perhaps with somebody's changes
    });
  const parameters = {stream: AT, chart: "sample/favourite-receiver.svg", table: "sample/favourite-receiver.json"};
  const run = await post<Run>("/v1/runs", {notebook: NOTEBOOK, follow: true, parameters, label: "Favourite receiver, live"});
  await post("/v1/replays", {object: OBJECT, stream: AT, time: "at", speed: SPEED});
  return run;
}
