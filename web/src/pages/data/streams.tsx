/** Streams: what flows in, how fast, and whether its source is well. */
import {useEffect, useState} from "preact/hooks";
import {inPath, type List} from "../../api/client";
import type {StreamInfo} from "../../api/types";
import {Sparkline} from "../../charts";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {compact} from "../../text";
import {Empty, Shown, StateBadge, Table, Time} from "../../ui";
import {DataNav} from "./nav";
import "./data.css";

const EVERY_MS = 2000;
const KEPT = 60;

export default function Streams({query}: PageProps) {
  const text = query.get("q") ?? "";
  const streams = useResource<List<StreamInfo>>(`/v1/streams?limit=500${text ? `&q=${encodeURIComponent(text)}` : ""}`, {on: ["stream."], every: EVERY_MS});
  return (
    <div class="page">
      <div class="head"><h1>Data</h1><DataNav /></div>
      <section class="section">
        <div class="bar apart">
          <input class="filter" type="search" data-filter aria-label="Find by name" placeholder="Find by name" value={text}
            onInput={(event) => navigate(withQuery({q: event.currentTarget.value || null}), {replace: true})} />
          <a class="button primary" href="/data/streams/+new">New stream</a>
        </div>
        <Shown resource={streams}>{({items}) => items.length === 0
          ? <Empty title="No streams by that name" />
          : <StreamTable items={items.filter((one) => one.name !== "_events" || items.length === 1 || text !== "")} />}</Shown>
      </section>
    </div>
  );
}

/** The last rates of each stream, as this page saw them. */
function useRates(items: StreamInfo[]): Record<string, number[]> {
  const [rates, set] = useState<Record<string, number[]>>({});
  useEffect(() => set((old) => Object.fromEntries(items.map((one) =>
    [one.name, [...(old[one.name] ?? new Array<number>(KEPT).fill(0)), one.rates.messages_per_s].slice(-KEPT)]))), [items]);
  return rates;
}

function StreamTable({items}: {items: StreamInfo[]}) {
  const rates = useRates(items);
  if (items.length === 0) {
    return (
      <Empty title="No streams yet">
        <span>A stream keeps what happens, message by message. Push to one, or connect a queue.</span>
        <a class="button" href="/data/streams/+new">New stream</a>
      </Empty>
    );
  }
  return (
    <Table label="Streams" head={["Name", "Source", "State", "A second#", "Last minute", "Messages#", "Newest"]}>
      {items.map((one) => (
        <tr key={one.name}>
          <th scope="row"><a href={`/data/streams/${inPath(one.name)}`}>{one.name}</a></th>
          <td class="soft small">{one.definition.source.kind}</td>
          <td><StateBadge state={one.source.state} />{one.source.message && <div class="small soft cut message">{one.source.message}</div>}</td>
          <td class="number">{compact(one.rates.messages_per_s)}</td>
          <td><Sparkline values={rates[one.name] ?? []} label={`Messages a second in ${one.name}`} /></td>
          <td class="number">{compact(one.messages)}</td>
          <td class="soft">{one.time.high ? <Time at={one.time.high} /> : "none yet"}</td>
        </tr>
      ))}
    </Table>
  );
}
