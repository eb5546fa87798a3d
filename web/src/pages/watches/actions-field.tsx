/** Which actions a watch uses, on which steps, from which level. */
import {type Json, LEVELS, type WatchAction} from "../../api/acting";
import type {Document} from "../../form";

const STEPS: [string, string][] = [
  ["opened", "begins"],
  ["raised", "gets worse"],
  ["lowered", "gets better"],
  ["resolved", "is over"],
  ["unverified", "did not help"],
  ["flapping", "flaps"],
  ["steady", "is steady again"],
  ["window", "each window"],
];

export function ActionsField({document, change, actions}: {document: Document; change: (document: Document) => void; actions: string[]}) {
  const used = (document["actions"] as WatchAction[] | undefined) ?? [];
  const put = (next: WatchAction[]): void =>
    change(next.length > 0 ? {...document, actions: next as unknown as Json} : {...document, actions: undefined});
  const alter = (at: number, part: Partial<WatchAction>): void => put(used.map((one, place) => (place === at ? {...one, ...part} : one)));
  return (
    <fieldset class="section">
      <legend>Then</legend>
      {used.length === 0 && (
        <p class="hint">
          It notes what it finds.{" "}
          {actions.length === 0 && (
            <>
              For more, make an <a href="/processing/actions?new">action</a>.
            </>
          )}
        </p>
      )}
      {used.map((one, at) => (
        <div key={at} class="watch-action">
          <label class="field">
            Action
            <select value={one.action} onChange={(event) => alter(at, {action: event.currentTarget.value})}>
              {[...new Set([one.action, ...actions])].map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            From level
            <select value={one.at ?? ""} onChange={(event) => alter(at, {at: (event.currentTarget.value || undefined) as WatchAction["at"]})}>
              <option value="">any</option>
              {LEVELS.map((level) => (
                <option key={level} value={level}>
                  {level}
                </option>
              ))}
            </select>
          </label>
          <div class="form-checks" role="group" aria-label={`When ${one.action} is told`}>
            {STEPS.map(([step, text]) => (
              <label key={step} class="check small">
                <input
                  type="checkbox"
                  checked={(one.on ?? []).includes(step)}
                  onChange={(event) =>
                    alter(at, {on: event.currentTarget.checked ? [...(one.on ?? []), step] : (one.on ?? []).filter((other) => other !== step)})
                  }
                />
                {text}
              </label>
            ))}
          </div>
          <button type="button" class="quiet danger" onClick={() => put(used.filter((_, place) => place !== at))}>
            Remove<span class="sr"> {one.action}</span>
          </button>
        </div>
      ))}
      {actions.length > 0 && (
        <div>
          <button type="button" onClick={() => put([...used, {action: actions[0]!, on: ["opened", "resolved"]}])}>
            Use an action
          </button>
        </div>
      )}
    </fieldset>
  );
}
