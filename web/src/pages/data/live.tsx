/** The live chart of a stream: which field, by which key, over which range. All of it stands in the address. */
import type {StreamInfo} from "../../api/types";
import {LiveChart} from "../../charts";
import {address, navigate, withQuery} from "../../router";
import {MessageList} from "./messages";

const NUMBERS = ["int", "float"];

/** What is charted when nobody has chosen: the first number that is neither the time nor an identifier. */
function firstNumber(stream: StreamInfo): string | undefined {
  const fields = stream.schema.fields.filter((field) => NUMBERS.includes(field.kind) && field.name !== stream.definition.time?.field);
  return (fields.find((field) => !/(^|[._])(id|offset|index|number)$/i.test(field.name)) ?? fields[0])?.name;
}

export function LiveTab({stream}: {stream: StreamInfo}) {
  const query = address.value.query;
  const numbers = stream.schema.fields.filter((field) => NUMBERS.includes(field.kind)).map((field) => field.name);
  const keys = stream.schema.fields.filter((field) => field.kind === "text" && field.name !== stream.definition.time?.field).map((field) => field.name);
  const field = query.get("field") ?? firstNumber(stream);
  const by = query.get("by") ?? stream.definition.key ?? "";
  const choose = (changes: Record<string, string | null>): void => navigate(withQuery(changes), {replace: true});
  return (
    <>
      <section class="card pad section" aria-label="Chart">
        {field
          ? (
            <>
              <div class="bar">
                <label class="pick">Field
                  <select value={field} onChange={(event) => choose({field: event.currentTarget.value})}>
                    {numbers.map((name) => <option key={name}>{name}</option>)}
                  </select>
                </label>
                <label class="pick">A line for each
                  <select value={by} onChange={(event) => choose({by: event.currentTarget.value})}>
                    <option value="">(all in one)</option>
                    {keys.map((name) => <option key={name}>{name}</option>)}
                  </select>
                </label>
              </div>
              <LiveChart stream={stream.name} fields={[field]} by={by || undefined} range={query.get("last") ?? "10m"}
                onRange={(last) => choose({last})} />
            </>
          )
          : <p class="soft">{stream.messages ? "There is no number in these messages to be charted." : "Waiting for the first message …"}</p>}
      </section>
      <section class="section"><h2>Last messages</h2><MessageList name={stream.name} shown={8} /></section>
    </>
  );
}
