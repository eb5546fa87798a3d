/** A chart of any numeric field, by any key, over any range; what is picked stands in the address. */
import {navigate, withQuery} from "../../router";
import {Empty} from "../../ui";
import {PushSnippets} from "./push-snippets";
import {isNumeric, type StreamInfo} from "./stream-model";
import {StreamChart} from "./stream-chart";

const RANGES: [string, string][] = [
  ["60s", "1 min"], ["5m", "5 min"], ["1h", "1 h"], ["1d", "1 day"], ["7d", "7 days"], ["all", "All"]];

export interface Picked { field: string; by: string; last: string; from: string; to: string }

/** The range that shows something: what came in the last hour, else everything. */
function fitting(info: StreamInfo): string {
  const span_s = (Date.parse(info.time.high ?? "") - Date.parse(info.time.low ?? "")) / 1000;
  return span_s <= 3600 || info.rates.messages_per_s === 0 ? "all" : "5m";
}

/** Identifiers and clocks are numbers that nobody draws first. */
function telling(info: StreamInfo): string | undefined {
  const numbers = info.schema.fields.filter(isNumeric).map((field) => field.name).filter((name) => name !== info.definition.time?.field);
  return numbers.find((name) => !/(^|[_.])(id|ts|time|timestamp|at|offset|index|key)$/i.test(name)) ?? numbers[0];
}

export function picked(info: StreamInfo, query: URLSearchParams): Picked | null {
  const field = query.get("field") ?? telling(info);
  if (!field) return null;
  const from = query.get("from") ?? "", to = query.get("to") ?? "";
  const by = query.get("by") ?? (info.definition.key ? "_key" : "");
  return {field, by: by === "-" ? "" : by, from, to, last: from || to ? "" : query.get("last") ?? fitting(info)};
}

export function Live({info, query}: {info: StreamInfo; query: URLSearchParams}) {
  const now = picked(info, query);
  const isEmpty = info.offsets.next === 0;
  return (
    <>
      {isEmpty && <Waiting info={info} />}
      {!isEmpty && now === null && (
        <Empty title="No numbers to draw">
          <span>None of its fields is a number. Its messages are under <a href={withQuery({tab: "messages"})}>Messages</a>.</span>
        </Empty>
      )}
      {!isEmpty && now && (
        <section class="card pad section" aria-label="Chart">
          <Pickers info={info} now={now} />
          <StreamChart stream={info.name} picked={now} />
        </section>
      )}
      {!isEmpty && info.definition.source.kind === "push" && <details class="card pad"><summary>Push to it</summary><PushSnippets info={info} /></details>}
    </>
  );
}

function Waiting({info}: {info: StreamInfo}) {
  if (info.definition.source.kind !== "push") {
    return <Empty title="Nothing came yet"><span>The chart begins with the first message. What the source says stands above.</span></Empty>;
  }
  return (
    <section class="section">
      <h2>It is ready: push to it</h2>
      <p class="soft">The chart begins here with the first message.</p>
      <PushSnippets info={info} />
    </section>
  );
}

function Pickers({info, now}: {info: StreamInfo; now: Picked}) {
  const go = (changes: Record<string, string | null>): void => navigate(withQuery(changes), {replace: true});
  const kinds = info.schema.fields.filter((field) => field.kind !== "json" && field.name !== now.field);
  const numbers = info.schema.fields.filter(isNumeric);
  return (
    <div class="bar pickers">
      <label class="check">Field
        <select value={now.field} onChange={(event) => go({field: event.currentTarget.value})}>
          {!numbers.some((field) => field.name === now.field) && <option value={now.field}>{now.field}</option>}
          {numbers.map((field) => <option key={`${field.name} ${field.kind}`} value={field.name}>{field.name}</option>)}
        </select>
      </label>
      <label class="check">by
        <select value={now.by} onChange={(event) => go({by: event.currentTarget.value || "-"})}>
          <option value="">nothing</option>
          {info.definition.key && <option value="_key">key ({info.definition.key})</option>}
          {now.by && now.by !== "_key" && !kinds.some((field) => field.name === now.by) && <option value={now.by}>{now.by}</option>}
          {kinds.filter((field) => field.name !== info.definition.key).map((field) => <option key={`${field.name} ${field.kind}`} value={field.name}>{field.name}</option>)}
        </select>
      </label>
      <div class="ranges" role="group" aria-label="Range">
        {RANGES.map(([value, text]) => (
          <button key={value} class="quiet" aria-pressed={now.last === value} onClick={() => go({last: value, from: null, to: null})}>{text}</button>
        ))}
      </div>
      {!now.last && <span class="tag">{span(now)} <button class="quiet" aria-label="Any time" onClick={() => go({from: null, to: null})}>×</button></span>}
    </div>
  );
}

/** Bounds are milliseconds or texts such as 2026-01-01T12:00:00Z. */
function span({from, to}: Picked): string {
  const say = (bound: string): string => (/^\d+$/.test(bound) ? new Date(Number(bound)).toISOString() : bound).slice(0, 19).replace("T", " ");
  return `${from ? say(from) : "the beginning"} to ${to ? say(to) : "now"}`;
}
