/** Every address of the page, and what shows it. src/api/page.c serves the document at the same ones. */
import type {ComponentType} from "preact";
import type {Params} from "./router";
import Overview from "./pages/overview";

export interface PageProps {
  params: Params;
  query: URLSearchParams;
}
type Page = ComponentType<PageProps>;
type Module = {default: Page};

export interface Route {
  pattern: string;
  /** For the window's title, before the page says better. */
  title: string;
  /** Which entry of the navigation it belongs to. */
  section: string;
  page?: Page;
  load?: () => Promise<Module>;
}

export const routes: Route[] = [
  {pattern: "/", title: "Overview", section: "/", page: Overview},
  {pattern: "/data", title: "Objects", section: "/data", load: () => import("./pages/data")},
  {pattern: "/data/objects/{name*}", title: "Object", section: "/data", load: () => import("./pages/data/object")},
  {pattern: "/data/streams", title: "Streams", section: "/data", load: () => import("./pages/data/streams")},
  {pattern: "/data/streams/+new", title: "New stream", section: "/data", load: () => import("./pages/data/new-stream")},
  {pattern: "/data/streams/{name*}", title: "Stream", section: "/data", load: () => import("./pages/data/stream")},
  {pattern: "/notebooks", title: "Notebooks", section: "/notebooks", load: () => import("./pages/notebooks")},
  {pattern: "/notebooks/{name*}", title: "Notebook", section: "/notebooks", load: () => import("./pages/notebooks/editor")},
  {pattern: "/processing", title: "Processing", section: "/processing", load: () => import("./pages/processing")},
  {pattern: "/processing/watches/+new", title: "New watch", section: "/processing", load: () => import("./pages/watches/new")},
  {pattern: "/processing/watches/{name*}", title: "Watch", section: "/processing", load: () => import("./pages/watches/watch")},
  {pattern: "/processing/decisions", title: "Decisions", section: "/processing", load: () => import("./pages/decisions")},
  {pattern: "/processing/decisions/{id}", title: "Decision", section: "/processing", load: () => import("./pages/decisions/decision")},
  {pattern: "/processing/silences", title: "Silences", section: "/processing", load: () => import("./pages/silences")},
  {pattern: "/processing/models", title: "Models", section: "/processing", load: () => import("./pages/models")},
  {pattern: "/processing/models/{name*}", title: "Model", section: "/processing", load: () => import("./pages/models/model")},
  {pattern: "/processing/triggers", title: "Triggers", section: "/processing", load: () => import("./pages/triggers")},
  {pattern: "/processing/triggers/{name*}", title: "Trigger", section: "/processing", load: () => import("./pages/triggers/trigger")},
  {pattern: "/processing/actions", title: "Actions", section: "/processing", load: () => import("./pages/actions")},
  {pattern: "/processing/actions/{name*}", title: "Action", section: "/processing", load: () => import("./pages/actions/action")},
  {pattern: "/processing/{id}", title: "Processing", section: "/processing", load: () => import("./pages/processing/process")},
  {pattern: "/runs", title: "Runs", section: "/runs", load: () => import("./pages/runs")},
  {pattern: "/runs/compare", title: "Compare runs", section: "/runs", load: () => import("./pages/runs/compare")},
  {pattern: "/runs/{id}", title: "Run", section: "/runs", load: () => import("./pages/runs/run")},
  {pattern: "/recipes", title: "Recipes", section: "/notebooks", load: () => import("./pages/recipes")},
  {pattern: "/recipes/{name*}", title: "Recipe", section: "/notebooks", load: () => import("./pages/recipes/recipe")},
  {pattern: "/d", title: "Dashboards", section: "/runs", load: () => import("./pages/dashboards/list")},
  {pattern: "/d/{slug}", title: "Dashboard", section: "/runs", load: () => import("./pages/dashboards")},
  {pattern: "/settings", title: "Settings", section: "/settings", load: () => import("./pages/settings")},
];
