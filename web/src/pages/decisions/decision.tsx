/** One decision with its whole lineage: what was seen, what normal would have been, who decided, what came of it, and how to replay it. */
import type {ComponentChildren} from "preact";
import {useEffect, useState} from "preact/hooks";
import type {Attempt, Decision, GuardResult} from "../../api/acting";
import {api, inPath, post, Problem} from "../../api/client";
import {may} from "../../api/session";
import {navigate} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {count, dateTime, plural, seconds} from "../../text";
import {announce, Copy, ProblemBox, Shown, Time} from "../../ui";
import {Crumbs} from "../processing/nav";
import {DecisionState, LevelTag, WatchLink} from "../processing/parts-acting";
import {actionHref, eventWords, figure, makerOf, modelHref, score, stateWords, text, triggerHref, watchHref, windowText} from "../processing/words";
import {Answer} from "./approvals";
import {replay} from "./replay";
import {Scale} from "./scale";

function Fact({name, children}: {name: string; children: ComponentChildren}) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Seen({decision}: {decision: Decision}) {
  const {grounds, window} = decision;
  const offsets = window?.offsets ?? (window?.from !== undefined && window.to !== undefined ? {from: window.from, to: window.to} : null);
  return (
    <section class="card pad section" aria-label="What was seen">
      <h2>What was seen</h2>
      {grounds && <Scale grounds={grounds} />}
      <dl class="act-facts">
        {decision.stream && (
          <Fact name="stream">
            <a href={`/data/streams/${inPath(decision.stream)}`}>{decision.stream}</a>
          </Fact>
        )}
        {window && (
          <Fact name="window">
            {windowText(window)}
            {window.revision ? `, revision ${window.revision}` : ""}
          </Fact>
        )}
        {window && (
          <Fact name="messages">
            {count(window.messages)}
            {offsets && (
              <span class="soft">
                , offsets {count(offsets.from)} to {count(offsets.to)}
              </span>
            )}
          </Fact>
        )}
        {typeof grounds?.["score"] === "number" && (
          <Fact name="score">
            <b>{score(grounds["score"])}</b> <span class="soft">{rarity(grounds["score"])}</span>
          </Fact>
        )}
        {typeof grounds?.["value"] === "number" && <Fact name="value">{figure(grounds["value"])}</Fact>}
        {typeof grounds?.["expected"] === "number" && (
          <Fact name="normal would be">
            {figure(grounds["expected"])}
            {typeof grounds["low"] === "number" && (
              <span class="soft">
                , between {figure(grounds["low"])} and {figure(grounds["high"])}
              </span>
            )}
          </Fact>
        )}
        {Object.entries(grounds ?? {})
          .filter(([name]) => !["score", "value", "expected", "low", "high"].includes(name))
          .map(([name, value]) => (
            <Fact key={name} name={name.replace(/_/g, " ")}>
              <span class="mono">{text(value)}</span>
            </Fact>
          ))}
      </dl>
    </section>
  );
}

/** A score of 0.999 in words. */
function rarity(value: number): string {
  const one = value >= 1 ? Number.POSITIVE_INFINITY : 1 / (1 - value);
  return one < 2 ? "nothing unusual" : one > 1e6 ? "never seen before" : `normal behaviour shows this once in ${count(Math.round(one))} windows`;
}

function Decided({decision}: {decision: Decision}) {
  return (
    <section class="card pad section" aria-label="Who decided">
      <h2>Who decided</h2>
      <dl class="act-facts">
        {decision.watch && (
          <Fact name="watch">
            <WatchLink name={decision.watch} keyOf={decision.key} />
          </Fact>
        )}
        {decision.trigger && (
          <Fact name="trigger">
            <a href={triggerHref(decision.trigger)}>{decision.trigger}</a>
          </Fact>
        )}
        {decision.run && (
          <Fact name="run">
            <a href={`/runs/${decision.run}`}>
              <span class="mono">{decision.run}</span>
            </a>
          </Fact>
        )}
        {decision.code && (
          <Fact name="code">
            <span class="mono">{decision.code}</span>
          </Fact>
        )}
        {(decision.models ?? []).map((model) => (
          <Fact key={model.name} name="model">
            <a href={modelHref(model.name)}>{model.name}</a>, version {model.version}
          </Fact>
        ))}
        <Fact name="by">{decision.user}</Fact>
        <Fact name="at">
          {dateTime(decision.decided_at)} (<Time at={decision.decided_at} />)
        </Fact>
        <Fact name="why">{decision.reason || "–"}</Fact>
      </dl>
    </section>
  );
}

function Guards({guards}: {guards: GuardResult[]}) {
  const at = guards.findIndex((one) => !one.passed);
  return (
    <section class="card pad section" aria-label="Guards">
      <h2>Guards, in their order</h2>
      <ol class="act-guards">
        {guards.map((one, place) => (
          <li key={one.guard + place} class={place === at ? "stopped-here" : ""}>
            <span class="mark" aria-hidden="true">
              {one.passed ? "✓" : "✕"}
            </span>
            <span>
              {one.guard.replace(/_/g, " ")}
              <span class="sr">{one.passed ? ": passed" : ": stopped it"}</span>
            </span>
            <span class="soft small">{one.detail}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Tries({decision}: {decision: Decision}) {
  const log = decision.log ?? [];
  return (
    <section class="card pad section" aria-label="What was done">
      <h2>What was done</h2>
      <dl class="act-facts">
        <Fact name="action">
          {decision.action ? (
            <a href={actionHref(decision.action)}>{decision.action}</a>
          ) : decision.target ? (
            <span class="mono">{text(decision.target)}</span>
          ) : (
            <span class="soft">none: noted only</span>
          )}
        </Fact>
        <Fact name="state">
          <DecisionState decision={decision} />
          {decision.settled_at && (
            <span class="soft small">
              {" "}
              <Time at={decision.settled_at} />
            </span>
          )}
        </Fact>
        {decision.waiting && (
          <Fact name="next try">
            <Time at={decision.waiting.due_at} />
          </Fact>
        )}
        {decision.last_error && <Fact name="last error">{decision.last_error}</Fact>}
        <Fact name="idempotency key">
          <span class="mono small">{decision.idempotency_key}</span>
        </Fact>
      </dl>
      {log.length > 0 && (
        <ol class="act-tries" aria-label="Attempts">
          {log.map((one) => (
            <Try key={one.attempt + one.at} attempt={one} />
          ))}
        </ol>
      )}
      {decision.parameters !== null && Object.keys(decision.parameters as object).length > 0 && (
        <>
          <h3>Parameters</h3>
          <pre class="act-json" tabIndex={0}>
            {JSON.stringify(decision.parameters, null, 2)}
          </pre>
        </>
      )}
    </section>
  );
}

function Try({attempt}: {attempt: Attempt}) {
  return (
    <li>
      <span class="number soft">{attempt.attempt}</span>
      <span class="number small">{dateTime(attempt.at)}</span>
      <span>
        {attempt.status ? <b class="number">{attempt.status} </b> : ""}
        {attempt.outcome} {attempt.detail && attempt.detail !== "ok" && <span class="soft small">{attempt.detail}</span>}
      </span>
      <span class="number soft small">{seconds(attempt.took_ms / 1000)}</span>
    </li>
  );
}

const BEFORE = 120; // windows of the chart before the decision's own, and after it
const AFTER = 30;

function chartHref({watch, key, window}: Decision): string {
  const start = Date.parse(window?.start ?? "");
  const length = Date.parse(window?.end ?? "") - start;
  const range = new URLSearchParams({from: new Date(start - BEFORE * length).toISOString(), to: new Date(start + AFTER * length).toISOString()});
  if (key) range.set("key", key);
  return `${watchHref(watch ?? "")}?${range.toString()}`;
}

function Buttons({decision, refresh}: {decision: Decision; refresh: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const attempt = (work: Promise<unknown>, said: string): void => {
    busy(true);
    work
      .then(
        () => {
          announce(said);
          fail(null);
          refresh();
        },
        (error: Problem) => fail(error),
      )
      .finally(() => busy(false));
  };
  const investigate = (): void => {
    busy(true);
    api<{notebook: string}>(`/v1/decisions/${decision.id}/investigate`, {method: "POST"})
      .then(
        ({notebook}) => navigate(`/notebooks/${inPath(notebook)}`),
        (error: Problem) => fail(error),
      )
      .finally(() => busy(false));
  };
  return (
    <>
      <div class="bar">
        {decision.state === "held" && <Answer decision={decision} done={refresh} />}
        {["failed", "expired"].includes(decision.state) && may("actions:write") && (
          <button disabled={isBusy} onClick={() => attempt(post(`/v1/decisions/${decision.id}/resend`), "It is sent again")}>
            Send again
          </button>
        )}
        {decision.stream && may("notebooks:write") && (
          <button disabled={isBusy} onClick={investigate}>
            Investigate in a notebook
          </button>
        )}
        {decision.watch && decision.window && (
          <a class="button" href={chartHref(decision)}>
            On the watch's chart
          </a>
        )}
        {decision.watch && (
          <a
            class="button"
            href={`/processing/silences?new&watch=${encodeURIComponent(decision.watch)}&key=${encodeURIComponent(decision.key ?? "")}`}>
            Silence …
          </a>
        )}
      </div>
      {problem && <ProblemBox problem={problem} />}
    </>
  );
}

function View({decision, refresh}: {decision: Decision; refresh: () => void}) {
  useEffect(() => {
    document.title = `${makerOf(decision)} ${eventWords(decision.event)} · Suricate`;
  }, [decision.id]);
  return (
    <>
      <div class="head">
        <Crumbs href="/processing/decisions" name="Decisions" />
        <h1>
          {makerOf(decision)} {eventWords(decision.event)}
        </h1>
        <div class="facts">
          <LevelTag level={decision.level} />
          <DecisionState decision={decision} />
          <span>{plural(decision.attempts, "attempt")}</span>
          <Time at={decision.decided_at} />
          <span class="mono small">{decision.id}</span>
        </div>
      </div>
      <Buttons decision={decision} refresh={refresh} />
      <div class="act-two">
        <div class="section">
          <Seen decision={decision} />
          <Decided decision={decision} />
        </div>
        <div class="section">
          <Tries decision={decision} />
          {decision.guards && decision.guards.length > 0 && <Guards guards={decision.guards} />}
        </div>
      </div>
      <section class="section" aria-label="Replay">
        <h2>See it again</h2>
        <p class="soft small">The same code over the same messages decides the same; nothing is sent.</p>
        <Copy text={replay(decision)} label="Copy the command" />
      </section>
    </>
  );
}

export default function DecisionPage({params}: PageProps) {
  const decision = useResource<Decision>(`/v1/decisions/${encodeURIComponent(params["id"] ?? "")}`, {on: ["decision.", "action."], every: 3000});
  return (
    <div class="page">
      <Shown resource={decision} what="Reading the decision">
        {(found) => <View decision={found} refresh={decision.refresh} />}
      </Shown>
      {!decision.data && <h1 class="sr">Decision {stateWords("")}</h1>}
    </div>
  );
}
