/** One recipe: its parameters as a form, on an object of one's choice. */
import {useState} from "preact/hooks";
import {inPath, Problem, type List} from "../../api/client";
import type {ObjectInfo, Parameter, Recipe} from "../../api/types";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Empty, ProblemBox, Shown, Table, Time} from "../../ui";
import type {Run} from "../../api/types";
import {StateBadge} from "../../ui";
import {runRecipe} from "./fitting";
import {given, textOf, whatIsWanted} from "./values";
import "./recipes.css";

export default function RecipePage({params, query}: PageProps) {
  const name = params["name"] ?? "";
  const object = query.get("object") ?? "";
  const recipe = useResource<Recipe>(`/v1/recipes/${inPath(name)}`, {on: ["recipe."]});
  return (
    <div class="page">
      <div class="head">
        <p class="small"><a href="/recipes">Recipes</a></p>
        <h1>{recipe.data?.title ?? name}</h1>
        {recipe.data && <p>{recipe.data.summary}</p>}
      </div>
      <Shown resource={recipe}>{(one) => (
        <>
          <Form recipe={one} object={object} />
          <p><a class="button" href={`/v1/recipes/${inPath(name)}?format=ipynb`} download={`${name}.ipynb`}>Download its notebook</a></p>
          <LastRuns recipe={name} />
        </>
      )}</Shown>
    </div>
  );
}

function Form({recipe, object}: {recipe: Recipe; object: string}) {
  const objects = useResource<List<ObjectInfo>>("/v1/objects?limit=1000", {on: ["object."]});
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const names = (objects.data?.items ?? []).map((one) => one.name);
  if (objects.data && names.length === 0) {
    return <Empty title="There is nothing to run it on yet"><span>Drop a file on the page, then come back.</span></Empty>;
  }
  const run = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    fail(null);
    busy(true);
    try {
      await runRecipe(recipe.name, String(form.get("object ")), given(recipe.parameters, form));
    } catch (error) {
      busy(false);
      fail(error instanceof Problem ? error : new Problem(0, "invalid", "That is not a value", (error as Error).message, null, null, {}));
    }
  };
  return (
    <form class="card pad section" onSubmit={(event) => void run(event)}>
      <div class="fields">
        <label class="field">Table
          <select name="object " value={object || names[0]} onChange={(event) => navigate(withQuery({object: event.currentTarget.value}), {replace: true})}>
            {object && !names.includes(object) && <option>{object}</option>}
            {names.map((one) => <option key={one}>{one}</option>)}
          </select>
        </label>
        {recipe.parameters.map((one) => <Field key={one.name} parameter={one} />)}
      </div>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar"><button class="primary" disabled={isBusy || names.length === 0}>Run it</button></div>
    </form>
  );
}

function Field({parameter}: {parameter: Parameter}) {
  const help = parameter.help ? `${parameter.help}. ` : "";
  if (parameter.type === "bool") {
    return (
      <div class="field">
        <label class="check"><input type="checkbox" name={parameter.name} defaultChecked={parameter.default === true} />{parameter.name}</label>
        <span class="hint">{parameter.help}</span>
      </div>
    );
  }
  const isNumber = parameter.type === "int" || parameter.type === "float";
  const id = `parameter-${parameter.name}`;
  return (
    <label class="field">{parameter.name}
      <input name={parameter.name} defaultValue={textOf(parameter.default)} inputMode={isNumber ? "decimal" : "text"} aria-describedby={id}
        required={!parameter.optional && parameter.default === undefined} />
      <span class="hint" id={id}>{help}{whatIsWanted(parameter)}</span>
    </label>
  );
}

function LastRuns({recipe}: {recipe: string}) {
  const runs = useResource<List<Run>>(`/v1/runs?recipe=${encodeURIComponent(recipe)}&limit=10`, {on: ["run."]});
  if (!runs.data?.items.length) return null;
  return (
    <section class="section">
      <h2>Its last runs</h2>
      <Table label="Runs of the recipe" head={["Run", "Table", "State", "When"]}>
        {runs.data.items.map((run) => (
          <tr key={run.id}>
            <th scope="row"><a href={`/runs/${run.id}`} class="mono">{run.id.slice(-8)}</a></th>
            <td>{run.object && <a href={`/data/objects/${inPath(run.object)}`}>{run.object}</a>}</td>
            <td><StateBadge state={run.state} /></td><td class="soft"><Time at={run.created_at} /></td>
          </tr>
        ))}
      </Table>
    </section>
  );
}
