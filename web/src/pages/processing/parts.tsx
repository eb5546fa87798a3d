/** What the list and one run that follows show alike. */
import {api} from "../../api/client";
import {clock, compact, count, dateTime, plural, seconds} from "../../text";
import {Time} from "../../ui";
import {isUnderWay, type Iteration, type Run, type WindowOf} from "../runs/model";
import type {Consumer} from "./lag";

export function stateOf(run: Run): string {
  if (run.state === "running") return "following";
  return run.state === "queued" && run.restarts > 0 ? "begins again" : run.state;
}

/** "following" counts as live. */
export function FollowState({run}: {run: Run}) {
  const kind = run.state === "running" ? "good" : isUnderWay(run) ? "live"
    : ["failed", "interrupted", "out_of_memory", "timed_out"].includes(run.state) ? "bad" : "";
  return <span class={`state ${kind}`} title={run.reason}>{stateOf(run).replace(/_/g, " ")}</span>;
}

/** A window by its event time: the date once, the times of day. */
export function windowText({start, end}: {start: string; end: string}): string {
  return `${dateTime(start)} to ${clock(end)}`;
}

export function LastError({run}: {run: Run}) {
  if (!run.last_error) return null;
  const window: WindowOf | null = run.last_error_window;
  return (
    <div class="problem last-error">
      <span><b>{run.last_error}</b>{run.last_error_at && <span class="soft"> <Time at={run.last_error_at} /></span>}</span>
      {window
        ? <span class="small">in the window {windowText(window)} of {window.stream}: {plural(window.messages, "message")},
          offsets {count(window.from)} to {count(window.to)}</span>
        : <span class="small soft">outside of a window</span>}
      {run.restarts > 0 && <span class="small soft">begun again {plural(run.restarts, "time")}; nothing of that window was committed</span>}
    </div>
  );
}

function Number({value, what, title}: {value: string; what: string; title?: string}) {
  return <div class="figure-of" title={title}><dd class="number">{value}</dd><dt>{what}</dt></div>;
}

export function Numbers({run, consumers}: {run: Run; consumers: Consumer[]}) {
  const messages = consumers.reduce((sum, one) => sum + one.lag.messages, 0);
  const behind = Math.max(0, ...consumers.map((one) => one.lag.seconds ?? 0));
  const windows = run.followed.reduce((sum, one) => sum + one.windows, 0);
  const decisions = run.followed.reduce((sum, one) => sum + one.decisions, 0);
  return (
    <dl class="figures-of">
      <Number value={isUnderWay(run) ? compact(run.pace?.iterations_per_m ?? 0) : "–"} what="iterations a minute" title="in the last 60 seconds" />
      <Number value={compact(messages)} what={behind > 0 ? `behind, ${seconds(behind)}`
        : "messages behind"} title="messages that are in no committed window yet, and the event time they span" />
      <Number value={compact(windows)} what={windows === 1 ? "window" : "windows"} title="committed by this run" />
      <Number value={compact(decisions)} what={decisions === 1 ? "decision" : "decisions"} />
      {run.restarts > 0 && <Number value={count(run.restarts)} what={run.restarts === 1 ? "restart" : "restarts"} />}
    </dl>
  );
}

const HEIGHT = 64, BAR = 9, GAP = 3, PLACES = 60;

/** A bar an iteration, as tall as it took long; those that decided are marked. */
export function Timeline({iterations}: {iterations: Iteration[]}) {
  if (iterations.length === 0) return <p class="soft">No window has been committed since the server's start.</p>;
  const longest = Math.max(...iterations.map((one) => one.took_ms), 1);
  const width = PLACES * (BAR + GAP) - GAP;
  const last = iterations.at(-1) as Iteration;
  const told = `the longest took ${seconds(longest / 1000)}, the last ${seconds(last.took_ms / 1000)}`;
  return (
    <figure class="timeline">
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" preserveAspectRatio="none"
        aria-label={`The last ${plural(iterations.length, "iteration")}; ${told}`}>
        {iterations.map((one, at) => {
          const tall = Math.max(3, (one.took_ms / longest) * (HEIGHT - 2));
          return (
            <rect key={one.at + one.start} class={one.decisions ? "decided"
              : ""} x={(PLACES - iterations.length + at) * (BAR + GAP)} y={HEIGHT - tall} width={BAR} height={tall} rx={2}>
              <title>{`${windowText(one)}: ${plural(one.messages, "message")}, took ${seconds(one.took_ms / 1000)}${one.decisions ? `,
                ${plural(one.decisions, "decision")}` : ""}`}</title>
            </rect>
          );
        })}
      </svg>
      <figcaption class="bar apart soft small"><span>the last {count(iterations.length)}, tallest {seconds(longest / 1000)}</span>
        <span>last <Time at={last.at} /></span></figcaption>
    </figure>
  );
}

export const stop = (run: Run): Promise<Run> => api<Run>(`/v1/runs/${run.id}/cancel`, {method: "POST", body: {}});

export function startAgain(run: Run): Promise<Run> {
  const body = {notebook: run.notebook.name, follow: true, parameters: run.parameters, network: run.network, ...(run.label ? {label: run.label} : {})};
  return api<Run>("/v1/runs", {method: "POST", body});
}
