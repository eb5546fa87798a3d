/** Following runs: the live favourite receiver where the recipe was that, else a notebook that counts what comes. */
import {api, inPath, post, type List} from "../../api/client";
import {isOver, type Run} from "../../api/types";
import type {Done} from "./next-steps";
import receivers from "../../../../samples/live-chart/favourite-receiver-live.ipynb?url";

interface Source { name: string; text: string; parameters: Record<string, unknown> }

async function favourite(run: Done, stream: string): Promise<Source> {
  const passer = (run.result as {passer?: string} | null)?.passer;
  return {
    name: "live/favourite-receiver.ipynb", text: await (await fetch(receivers)).text(),
    parameters: {stream, chart: `${stream}/favourite-receiver.svg`, table: `${stream}/favourite-receiver.json`, ...(passer && {passer})},
  };
}

const LOOP = `import suricate as s

import suricate as s

rows, windows = 0, 0
for window in s.follow(stream, every=every, name="page", from_="earliest"):
    rows, windows = rows + len(window.frame), windows + 1
    numbers = window.frame.select_dtypes("number").mean().round(2).to_dict()
    print(f"{window.start:%H:%M:%S}  {len(window.frame)} messages, {rows} so far; means: {numbers}", flush=True)`;

function counting(stream: string): Source {
  const code = (id: string, source: string, tags: string[] = []): object =>
    ({id, cell_type: "code", metadata: tags.length > 0 ? {tags} : {}, source, outputs: [], execution_count: null});
  const notebook = {
    nbformat: 4, nbformat_minor: 5, metadata: {kernelspec: {name: "python3", display_name: "Python 3", language: "python"}},
    cells: [
      {id: "title", cell_type: "markdown", metadata: {}, source: "# Following a stream\n\nEach window is counted once, with the means of its numbers."},
      code("parameters", `stream: str = "plays"  # whom to follow\nevery: str = "5s"  # how long a window is`, ["parameters"]), code("loop", LOOP),
    ],
  };
  return {name: "live/follow.ipynb", text: JSON.stringify(notebook), parameters: {stream}};
}

/** Stores the notebook and starts it on the stream, until somebody stops it; what follows the stream already goes on. */
export async function followWith(run: Done, stream: string): Promise<Run> {
  const label = `follows ${stream}`;
  const open = await api<List<Run>>("/v1/runs?limit=200");
  const same = open.items.find((one) => one.follow && one.label === label && !isOver(one));
  if (same) return same;
  const source = run.recipe?.name === "favourite-receiver" ? await favourite(run, stream) : counting(stream);
  await api(`/v1/notebooks/${inPath(source.name)}`, {method: "PUT", body: source.text, headers: {"Content-Type": "application/x-ipynb+json"}});
  return post<Run>("/v1/runs", {notebook: source.name, parameters: source.parameters, follow: true, label});
}
