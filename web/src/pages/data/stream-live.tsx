/** A chart of any numeric field, by any key, over any range; what is picked stands in the address. */
import {useState} from "preact/hooks";
import {LiveChart} from "../../charts";
import {navigate, withQuery} from "../../router";
import {Empty} from "../../ui";
import {PushSnippets} from "./push-snippets";
import {isNumeric, type StreamInfo} from "./stream-model";

interface Picked { field: string; by: string; last: string }

/** The range that shows something: what came in the last hour, else everything. */
function fitting(info: StreamInfo): string {
  const span_s = (Date.parse(info.time.high ?? "") - Date.parse(info.time.low ?? "")) / 1000;
  return span_s <= 3600 || info.rates.messages_per_s === 0 ? "all" : "10m";
}

/** Identifiers and clocks are numbers that nobody draws first. */
function telling(info: StreamInfo): string | undefined {
  const numbers = info.schema.fields.filter(isNumeric).map((field) => field.name).filter((name) => name !== info.definition.time?.field);
  return numbers.find((name) => !/(^|[_.])(id|ts|time|timestamp|at|offset|index|key)$/i.test(name)) ?? numbers[0];
}

function picked(info: StreamInfo, query: URLSearchParams, range: string): Picked | null {
  const field = query.get("field") ?? telling(info);
  if (!field) return null;
  const by = query.get("by") ?? (info.definition.key ? "_key" : "");
  return {field, by: by === "-" ? "" : by, last: query.get("last") ?? range};
}

export function Live({info, query}: {info: StreamInfo; query: URLSearchParams}) {
  const [range] = useState(() => fitting(info)); // once: it must not change under somebody's eyes
  const now = picked(info, query, range);
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
          <LiveChart stream={info.name} fields={now.field} by={now.by || null} range={now.last}
            onRange={(last) => navigate(withQuery({last}), {replace: true})} />
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
          {kinds.filter((field) => field.name !== info.definition.key).map((field) =>
            <option key={`${field.name} ${field.kind}`} value={field.name}>{field.name}</option>)}
        </select>
      </label>
    </div>
  );
}
