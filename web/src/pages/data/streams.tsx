/** Streams: what flows, how fast, who is behind, and what a source says when it does not flow. */
import {useState} from "preact/hooks";
import {may} from "../../api/session";
import type {List} from "../../api/client";
import {Sparkline} from "../../charts";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {bytes, compact, plural, seconds} from "../../text";
import {Empty, Shown, StateBadge, Table, Time} from "../../ui";
import {DataNav} from "./nav";
import {noted} from "./rates";
import {type Consumer, rate, sourceWords, stateWords, storedBytes, streamHref, streamPath, type StreamInfo} from "./stream-model";
import "./data.css";

const EACH = 50;
const EVERY_MS = 2000;

export default function Streams({query}: PageProps) {
  const text = query.get("q") ?? "";
  const [shown, more] = useState(EACH);
  const streams = useResource<List<StreamInfo>>("/v1/streams?limit=1000", {on: ["stream."], every: EVERY_MS});
  return (
    <div class="page">
      <div class="head"><h1>Data</h1><DataNav /></div>
      <section class="section">
        <div class="bar apart">
          <input class="filter" type="search" data-filter aria-label="Find by name" placeholder="Find by name" value={text}
            onInput={(event) => navigate(withQuery({q: event.currentTarget.value || null}), {replace: true})} />
          {may("streams:write") && <a class="button primary" href="/data/streams/+new">New stream</a>}
        </div>
        <Shown resource={streams}>{({items}) => {
          const fit = items.filter((one) => one.name.toLowerCase().includes(text.toLowerCase()));
          if (fit.length === 0) return text ? <Empty title="Nothing by that name"><span>Try a part of the name.</span></Empty> : <NoStreams />;
          return (
            <>
              <StreamTable items={fit.slice(0, shown)} />
              {fit.length > shown && <button onClick={() => more(shown + EACH)}>Show more of {plural(fit.length, "stream")}</button>}
            </>
          );
        }}</Shown>
      </section>
    </div>
  );
}

function NoStreams() {
  return (
    <Empty title="No streams yet">
      <span>A stream is a durable log of messages: pushed by programs, taken from a RabbitMQ queue, or computed from another stream.</span>
      <div class="bar">
        {may("streams:write") && <a class="button primary" href="/data/streams/+new">New stream</a>}
        <span class="hint">Or open a table under <a href="/data">Objects</a> and replay it as a stream.</span>
      </div>
    </Empty>
  );
}

function StreamTable({items}: {items: StreamInfo[]}) {
  return (
    <Table label="Streams" head={["Name", "Rate", "State", "Behind", "Newest", "Messages#", "Size#"]} kind="streams">
      {items.map((one) => (
        <tr key={one.name}>
          <th scope="row"><a href={streamHref(one.name)}><bdi>{one.name}</bdi></a><small class="soft">{sourceWords(one.definition)}</small></th>
          <td class="rate"><span class="number">{rate(one.rates.messages_per_s)}</span>
            <Sparkline values={noted(one.name, one.rates.messages_per_s)} label={`Messages a second of ${one.name}, the last minute`} /></td>
          <td><StateBadge state={one.state} /><small class="soft words" title={stateWords(one)}>{stateWords(one)}</small></td>
          <td class="soft"><Behind stream={one.name} /></td>
          <td class="soft">{one.time.high ? <Time at={one.time.high} /> : "–"}</td>
          <td class="number">{compact(one.messages)}</td><td class="number">{bytes(storedBytes(one))}</td>
        </tr>
      ))}
    </Table>
  );
}

/** How far its slowest consumer is behind. */
function Behind({stream}: {stream: string}) {
  const consumers = useResource<List<Consumer>>(`${streamPath(stream)}/consumers`, {every: 5 * EVERY_MS});
  const items = consumers.data?.items ?? [];
  if (items.length === 0) return <>–</>;
  const worst = items.reduce((a, b) => (b.lag.messages > a.lag.messages ? b : a));
  return <span title={`${worst.name} is the furthest behind of ${plural(items.length, "consumer")}`}>
    {worst.lag.messages === 0 ? "none" : `${compact(worst.lag.messages)} (${seconds(worst.lag.seconds ?? 0)})`}</span>;
}
