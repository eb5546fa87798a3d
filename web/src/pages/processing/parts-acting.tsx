/** Levels, states of decisions, whole lists of them: what several pages of acting show alike. */
import type {Decision} from "../../api/acting";
import {clock, dateTime} from "../../text";
import {Time} from "../../ui";
import {decisionHref, eventWords, keyWords, makerOf, stateKind, stateWords, watchHref} from "./words";
import "./acting.css";

export function LevelTag({level}: {level: string | null | undefined}) {
  return level ? <span class={`act-level act-${level}`}>{level}</span> : null;
}

export function DecisionState({decision}: {decision: Pick<Decision, "state" | "waiting" | "last_error" | "attempts">}) {
  const state = decision.waiting?.deferred ? "deferred" : decision.state;
  const tries = decision.attempts > 1 && decision.state === "pending" ? `, ${decision.attempts} tries` : "";
  return (
    <span class={`state ${stateKind(state)}`} title={decision.last_error ?? undefined}>
      {stateWords(state)}
      {tries}
    </span>
  );
}

/** The day once, then a line a decision: when, which, what came of it. */
export function DecisionLines({items}: {items: Decision[]}) {
  let day = "";
  return (
    <ol class="card act-lines">
      {items.map((one) => {
        const today = dateTime(one.decided_at).slice(0, 10);
        const isNew = today !== day;
        day = today;
        return (
          <li key={one.id}>
            {isNew && <h2 class="act-day">{today}</h2>}
            <div class="act-line">
              <time class="number small soft" dateTime={one.decided_at} title={dateTime(one.decided_at)}>
                {clock(one.decided_at)}
              </time>
              <LevelTag level={one.level} />
              <a class="act-what" href={decisionHref(one.id)}>
                <b>{makerOf(one)}</b> {one.event && one.event !== "window" && <span>{eventWords(one.event)}</span>}
                {one.action && <span class="soft"> → {one.action}</span>}
              </a>
              <span class="cut soft small act-why" title={one.reason}>
                {one.reason}
              </span>
              <DecisionState decision={one} />
            </div>
          </li>
        );
      })}
    </ol>
  );
}

export function WatchLink({name, keyOf}: {name: string; keyOf?: string | null}) {
  const query = keyOf ? `?key=${encodeURIComponent(keyOf)}` : "";
  return (
    <a href={watchHref(name) + query}>
      {name}
      {keyOf ? `: ${keyWords(keyOf)}` : ""}
    </a>
  );
}

export function Since({at}: {at: string | null | undefined}) {
  return at ? <Time at={at} /> : <>–</>;
}
