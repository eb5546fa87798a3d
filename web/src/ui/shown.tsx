/** The four states of what comes from the server: loading, failed, empty, there. */
import type {ComponentChildren} from "preact";
import type {Problem} from "../api/client";
import type {Resource} from "../resource";

export function Loading({what = "Loading"}: {what?: string}) {
  return <p class="loading" role="status">{what} …</p>;
}

/** What was wrong, where, and what to do. */
export function ProblemBox({problem, children}: {problem: Problem | {title: string; detail: string}; children?: ComponentChildren}) {
  const hint = "hint" in problem ? problem.hint : null;
  return (
    <div class="problem" role="alert">
      <b>{problem.title}</b>
      {problem.detail && problem.detail !== problem.title && <span>{problem.detail}</span>}
      {hint && <span class="soft">{hint}</span>}
      {children}
    </div>
  );
}

/** Nothing here yet, and what to do about it. */
export function Empty({title, children}: {title: string; children?: ComponentChildren}) {
  return <div class="empty"><b>{title}</b>{children}</div>;
}

/** `children(data)` when it is there; an old reading stays while the server is away. */
export function Shown<T>({resource, children, what}: {resource: Resource<T>; children: (data: T) => ComponentChildren; what?: string}) {
  return (
    <>
      {resource.problem && resource.problem.slug !== "offline" && (
        <ProblemBox problem={resource.problem}><div><button class="quiet" onClick={resource.refresh}>Try again</button></div></ProblemBox>
      )}
      {resource.data !== null ? children(resource.data) : resource.isLoading || resource.problem?.slug === "offline" ? <Loading what={what} /> : null}
    </>
  );
}
