/** The timeline of decisions: filtered by address, live by events, older ones on request. */
import {useEffect, useState} from "preact/hooks";
import type {Decision} from "../../api/acting";
import {api, type List, Problem} from "../../api/client";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {Empty, ProblemBox, Shown} from "../../ui";
import {ActingHead} from "../processing/nav";
import {DecisionLines} from "../processing/parts-acting";
import {stateWords} from "../processing/words";
import {Approvals} from "./approvals";

const EACH = 100;
const FILTERS = ["watch", "key", "action", "state", "stream", "trigger", "run", "from", "to"];
const STATES = ["held", "pending", "sent", "failed", "stopped", "expired", "noted"];

interface Named {
  name: string;
}
const names = (path: string): string[] => useResource<List<Named>>(path).data?.items.map((one) => one.name) ?? [];

function Choice({of, label, options, value}: {of: string; label: string; options: [string, string][]; value: string | null}) {
  const known = value && !options.some(([each]) => each === value) ? [[value, value] as [string, string], ...options] : options;
  return (
    <label class="field small">
      {label}
      <select value={value ?? ""} onChange={(event) => navigate(withQuery({[of]: event.currentTarget.value || null}), {replace: true})}>
        <option value="">any</option>
        {known.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** The address has whole times; the control has them of this place. */
const localTime = (at: string | null): string => {
  const date = new Date(at ?? Number.NaN);
  return Number.isNaN(date.getTime()) ? "" : new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

function Moment({of, label, value}: {of: string; label: string; value: string | null}) {
  return (
    <label class="field small">
      {label}
      <input
        type="datetime-local"
        value={localTime(value)}
        onChange={(event) => {
          const date = new Date(event.currentTarget.value);
          navigate(withQuery({[of]: Number.isNaN(date.getTime()) ? null : date.toISOString()}), {replace: true});
        }}
      />
    </label>
  );
}

function Filters({query}: {query: URLSearchParams}) {
  const pairs = (all: string[]): [string, string][] => all.map((one) => [one, one]);
  const watches = names("/v1/watches");
  const actions = names("/v1/actions");
  const triggers = names("/v1/triggers");
  const streams = names("/v1/streams?limit=500");
  const isAny = FILTERS.some((name) => query.has(name));
  return (
    <div class="act-filters" role="group" aria-label="Filters">
      <Choice of="state" label="State" options={STATES.map((state) => [state, stateWords(state)])} value={query.get("state")} />
      <Choice of="watch" label="Watch" options={pairs(watches)} value={query.get("watch")} />
      <Choice of="action" label="Action" options={pairs(actions)} value={query.get("action")} />
      <Choice of="stream" label="Stream" options={pairs(streams)} value={query.get("stream")} />
      <Choice of="trigger" label="Trigger" options={pairs(triggers)} value={query.get("trigger")} />
      <Moment of="from" label="From" value={query.get("from")} />
      <Moment of="to" label="To" value={query.get("to")} />
      {isAny && (
        <a class="button quiet" href="/processing/decisions">
          Show all
        </a>
      )}
    </div>
  );
}

/** What is older than the first page; forgotten when the filters are others. */
function Older({filter, after}: {filter: string; after: string | null}) {
  const [items, add] = useState<Decision[]>([]);
  const [next, go] = useState(after);
  const [problem, fail] = useState<Problem | null>(null);
  useEffect(() => {
    if (items.length === 0) go(after);
  }, [after]);
  const more = (): void =>
    void api<List<Decision>>(`/v1/decisions?${filter}&cursor=${encodeURIComponent(next ?? "")}`).then(
      (found) => {
        add([...items, ...found.items]);
        go(found.next);
      },
      (error: Problem) => fail(error),
    );
  return (
    <>
      {items.length > 0 && <DecisionLines items={items} />}
      {problem && <ProblemBox problem={problem} />}
      {next && <button onClick={more}>Show older ones</button>}
    </>
  );
}

export default function Decisions({query}: PageProps) {
  const asked = new URLSearchParams({limit: String(EACH)});
  for (const name of FILTERS) if (query.get(name)) asked.set(name, query.get(name) ?? "");
  const filter = asked.toString();
  const list = useResource<List<Decision>>(`/v1/decisions?${filter}`, {on: ["decision.", "anomaly.", "action."], every: 5000});
  const isFiltered = filter.includes("&");
  return (
    <div class="page">
      <ActingHead title="Decisions" about="What watches, notebooks and triggers decided, on what grounds, and what came of it." />
      <Approvals />
      <section class="section" aria-label="Timeline">
        <Filters query={query} />
        <Shown resource={list} what="Reading the decisions">
          {({items, next}) =>
            items.length === 0 ? (
              <Empty title={isFiltered ? "No decision fits" : "Nothing has been decided yet"}>
                <span>
                  A watch decides when a stream leaves what it learned; a notebook by <code>window.act(…)</code>; a trigger when it fires.
                </span>
                {!isFiltered && (
                  <a class="button primary" href="/processing/watches/+new">
                    Make a watch
                  </a>
                )}
              </Empty>
            ) : (
              <>
                <DecisionLines items={items} />
                <Older key={filter} filter={filter} after={next} />
              </>
            )
          }
        </Shown>
      </section>
    </div>
  );
}
