/** Which recipes fit an object: one press runs one as it is. */
import {useState} from "preact/hooks";
import {inPath, post, Problem, type List} from "../../api/client";
import type {Recipe, Run} from "../../api/types";
import {navigate} from "../../router";
import {useResource} from "../../resource";
import {plural} from "../../text";
import {ProblemBox, Shown} from "../../ui";
import "./recipes.css";

type Fitting = Recipe & {reason?: string | null};

/** Starts a recipe on an object and goes to its run. */
export async function runRecipe(recipe: string, object: string, parameters: Record<string, unknown> = {}): Promise<void> {
  const run = await post<Run>(`/v1/recipes/${inPath(recipe)}/runs`, {object, parameters});
  navigate(`/runs/${run.id}`);
}

/** For an object's own page. */
export function RecipesThatFit({object}: {object: string}) {
  const recipes = useResource<List<Fitting>>(`/v1/recipes?object=${encodeURIComponent(object)}&wait=60s`, {on: ["recipe."]});
  return (
    <section class="section" aria-label="Recipes that fit">
      <h2>Recipes that fit it</h2>
      <Shown resource={recipes} what="Looking for recipes">{({items}) => {
        const fit = items.filter((one) => one.fits);
        const rest = items.filter((one) => !one.fits);
        return (
          <>
            {fit.length === 0 && <p class="soft">None of the {plural(items.length, "recipe")} fits this table.</p>}
            <ul class="grid">{fit.map((one) => <Choice key={one.name} recipe={one} object={object} />)}</ul>
            {rest.length > 0 && (
              <details>
                <summary>{plural(rest.length, "recipe")} that {rest.length === 1 ? "does" : "do"} not fit, and why</summary>
                <ul class="recipe-rest">{rest.map((one) => <li key={one.name}><b>{one.title}</b> <span class="soft">{one.reason}</span></li>)}</ul>
              </details>
            )}
          </>
        );
      }}</Shown>
    </section>
  );
}

function Choice({recipe, object}: {recipe: Fitting; object: string}) {
  const [isBusy, busy] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const run = (): void => {
    busy(true);
    runRecipe(recipe.name, object).catch((error: Problem) => {
      busy(false);
      fail(error);
    });
  };
  return (
    <li class="card pad recipe-card">
      <p>{recipe.summary}</p>
      <div class="bar">
        <button class="primary" disabled={isBusy} onClick={run}>{recipe.title}</button>
        <a class="quiet button" href={`/recipes/${inPath(recipe.name)}?object=${encodeURIComponent(object)}`}>
          Parameters<span class="sr"> of {recipe.title}</span>
        </a>
      </div>
      {problem && <ProblemBox problem={problem} />}
    </li>
  );
}
