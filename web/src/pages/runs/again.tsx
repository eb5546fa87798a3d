/** Run it again with other parameters. */
import {useEffect, useState} from "preact/hooks";
import {api, inPath, type List, post, Problem} from "../../api/client";
import {navigate} from "../../router";
import {Dialog, Loading, ProblemBox} from "../../ui";
import {type Run, titleOf} from "./model";
import {type Parameter, ParameterFields, type Typed, typedFrom, valuesOf} from "./parameters";

interface About {
  parameters: Parameter[];
  objects: string[];
}

async function about(run: Run): Promise<About> {
  if (!run.recipe) {
    const list = await api<List<Parameter>>(`/v1/notebooks/${inPath(run.notebook.name)}?view=parameters`);
    return {parameters: list.items, objects: []};
  }
  const [recipe, objects] = await Promise.all([
    api<{parameters: Parameter[]}>(`/v1/recipes/${encodeURIComponent(run.recipe.name)}`), api<List<{name: string}>>("/v1/objects?limit=500"),
  ]);
  return {parameters: recipe.parameters, objects: objects.items.map((item) => item.name)};
}

function start(run: Run, object: string, parameters: Record<string, unknown>): Promise<Run> {
  if (run.recipe) return post<Run>(`/v1/recipes/${encodeURIComponent(run.recipe.name)}/runs`, {object, parameters});
  return post<Run>("/v1/runs", {notebook: run.notebook.name, parameters, follow: run.follow, network: run.network, ...(run.label ? {label: run.label} : {})});
}

export function RunAgain({run, close}: {run: Run; close: () => void}) {
  const [known, learn] = useState<About | null>(null);
  const [typed, type] = useState<Typed>({});
  const [object, choose] = useState(run.object ?? "");
  const [problem, fail] = useState<Problem | {title: string; detail: string} | null>(null);
  useEffect(() => {
    about(run).then((found) => {
      learn(found);
      type(typedFrom(found.parameters, run.parameters));
    }, (error: unknown) => fail(error instanceof Problem ? error : {title: "That did not work", detail: String(error)}));
  }, [run.id]);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!known) return;
    try {
      const made = await start(run, object, valuesOf(known.parameters, typed));
      close();
      navigate(made.follow ? `/processing/${made.id}` : `/runs/${made.id}`);
    } catch (error) {
      fail(error instanceof Problem ? error : {title: "Not a value for that parameter", detail: (error as Error).message});
    }
  };
  return (
    <Dialog title={`Run ${titleOf(run)} again`} close={close}>
      <form class="section" onSubmit={(event) => void submit(event)}>
        {!known && !problem && <Loading what="Reading its parameters" />}
        {known && run.recipe && (
          <label class="field">Table
            <input value={object} list="again-objects" onInput={(event) => choose(event.currentTarget.value)} />
            <datalist id="again-objects">{known.objects.map((name) => <option key={name} value={name} />)}</datalist>
          </label>
        )}
        {known && <ParameterFields parameters={known.parameters} typed={typed} set={type} />}
        {problem && <ProblemBox problem={problem} />}
        <div class="bar"><button class="primary" type="submit" disabled={!known}>Run</button><button type="button" onClick={close}>Leave it</button></div>
      </form>
    </Dialog>
  );
}
