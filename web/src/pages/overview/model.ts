/** What GET /v1/overview says, and what it suggests to do next. */

export interface Failure { at: string; kind: "run" | "stream" | "delivery"; name: string; message: string; href: string }

export interface Overview {
  aggregate: {
    objects: number; object_bytes: number; streams: number; messages: number; messages_per_s: number[];
    failing: {name: string; state: string; detail: string}[];
  };
  interact: {notebooks: number; open: number; recipes: number};
  compute: {
    queued: number; running: number; following: number; kernels: number; memory_bytes: number | null;
    finished_1h: number; failed_1h: number; runs_per_m: number[];
  };
  act: {
    actions: number; watches: number; firing: number; worst: string; decisions_24h: number; held: number; waiting: number; failed: number;
    decisions_per_m: number[];
  };
  failures: Failure[];
}

export interface Step { text: string; href: string }

export const isNew = (seen: Overview): boolean => seen.aggregate.objects === 0 && seen.aggregate.streams === 0;

export function nextAggregate({aggregate}: Overview): Step {
  const bad = aggregate.failing[0];
  if (bad) return {text: `See why ${bad.name} gets nothing`, href: `/data/streams/${bad.name.split("/").map(encodeURIComponent).join("/")}`};
  if (aggregate.objects === 0) return {text: "Store a file", href: "/data"};
  if (aggregate.streams === 0) return {text: "Connect a stream", href: "/data/streams/+new"};
  return {text: "Look at the data", href: "/data"};
}

export function nextInteract({interact, aggregate}: Overview): Step {
  if (interact.open > 0) return {text: "Go on with an open notebook", href: "/notebooks"};
  if (interact.notebooks > 0) return {text: "Open a notebook", href: "/notebooks"};
  return aggregate.objects > 0 ? {text: "Press a recipe", href: "/recipes"} : {text: "Write a notebook", href: "/notebooks"};
}

export function nextCompute({compute}: Overview): Step {
  if (compute.failed_1h > 0)
    return {href: "/runs?state=failed", text: compute.failed_1h === 1 ? "See why a run failed" : `See why ${compute.failed_1h} runs failed`};
  if (compute.running + compute.queued > 0) return {text: "Watch what runs", href: "/runs"};
  return compute.finished_1h > 0 ? {text: "Look at the last runs", href: "/runs"} : {text: "Run a recipe", href: "/recipes"};
}

export function nextAct({act, compute, aggregate}: Overview): Step {
  if (act.held > 0) return {text: act.held === 1 ? "Approve a decision" : `Approve ${act.held} decisions`, href: "/processing/decisions"};
  if (act.firing > 0) return {text: act.firing === 1 ? "See what fires" : `See the ${act.firing} that fire`, href: "/processing"};
  if (act.failed > 0) return {text: "See what was not delivered", href: "/processing/decisions?state=failed"};
  if (act.watches > 0) return {text: "See what is watched", href: "/processing"};
  if (compute.following > 0) return {text: "See what is followed", href: "/processing"};
  return aggregate.streams > 0 ? {text: "Watch a stream", href: "/processing/watches/+new"} : {text: "Try the live sample", href: "/processing"};
}

export const sum = (values: number[]): number => values.reduce((all, one) => all + one, 0);
