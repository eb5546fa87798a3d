/** Recipes: all of them, and the parts that other pages show of them. */
import type {List} from "../../api/client";
import {inPath} from "../../api/client";
import type {Recipe} from "../../api/types";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Empty, Shown} from "../../ui";
import "./recipes.css";

export {NextSteps} from "./next-steps";
export {RecipesThatFit} from "./fitting";

export default function Recipes({query}: PageProps) {
  const text = query.get("q") ?? "";
  const recipes = useResource<List<Recipe>>(`/v1/recipes${text ? `?q=${encodeURIComponent(text)}` : ""}`, {on: ["recipe."]});
  return (
    <div class="page">
      <div class="head">
        <h1>Recipes</h1>
        <p class="soft">Notebooks that say which tables they fit. Press one, and it runs on your table.</p>
      </div>
      <input class="filter" type="search" data-filter aria-label="Find by name" placeholder="Find by name" value={text}
        onInput={(event) => navigate(withQuery({q: event.currentTarget.value || null}), {replace: true})} />
      <Shown resource={recipes}>{({items}) => items.length === 0
        ? <Empty title="No recipe by that name"><span>Try a part of the name.</span></Empty>
        : <ul class="grid">{items.map((one) => (
            <li key={one.name} class="card pad recipe-card">
              <h2><a href={`/recipes/${inPath(one.name)}`}>{one.title}</a></h2>
              <p>{one.summary}</p>
              <p class="soft small">{one.name} {one.version}, by {one.author}{one.shipped ? "" : ", yours"}</p>
            </li>
          ))}</ul>}</Shown>
    </div>
  );
}
