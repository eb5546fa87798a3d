/** One stream: what comes in now, its messages, fields, followers, settings. */
import {may} from "../../api/session";
import {PauseButton} from "./pause";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {bytes, count, plural} from "../../text";
import {Shown, StateBadge, Tabs, Time} from "../../ui";
import {Consumers} from "./stream-consumers";
import {Live} from "./stream-live";
import {Messages} from "./stream-messages";
import {Query} from "./stream-query";
import {Schema} from "./stream-schema";
import {Settings} from "./stream-settings";
import {rate, sourceWords, stateWords, storedBytes, streamPath, type StreamInfo} from "./stream-model";
import "./data.css";

const EVERY_MS = 2000;
const TABS: [string, string][] = [
  ["live", "Live"], ["messages", "Messages"], ["schema", "Fields"], ["consumers", "Consumers"], ["query", "SQL"], ["settings", "Settings"]];

export default function StreamPage({params, query}: PageProps) {
  const name = params["name"] ?? "";
  const info = useResource<StreamInfo>(streamPath(name), {on: ["stream."], every: EVERY_MS});
  const tab = query.get("tab") ?? "live";
  return (
    <div class="page">
      <div class="head">
        <p class="small"><a href="/data/streams">Streams</a></p>
        <h1><bdi>{name}</bdi></h1>
        <Shown resource={info}>{(one) => <Facts info={one} changed={info.refresh} />}</Shown>
        {info.data && <Tabs tabs={TABS} label="Views of the stream" />}
      </div>
      {info.data && <View key={`${name} ${tab}`} tab={tab} info={info.data} query={query} refresh={info.refresh} />}
    </div>
  );
}

function View({tab, info, query, refresh}: {tab: string; info: StreamInfo; query: URLSearchParams; refresh: () => void}) {
  switch (tab) {
    case "messages": return <Messages info={info} query={query} />;
    case "schema": return <Schema info={info} />;
    case "consumers": return <Consumers info={info} />;
    case "query": return <Query info={info} />;
    case "settings": return <Settings info={info} changed={refresh} />;
    default: return <Live info={info} query={query} />;
  }
}

function Facts({info, changed}: {info: StreamInfo; changed: () => void}) {
  const words = stateWords(info);
  const {source} = info;
  return (
    <>
      {info.definition.description && <p>{info.definition.description}</p>}
      <div class="facts">
        <StateBadge state={info.state} />
        <span>{sourceWords(info.definition)}</span>
        <span>{rate(info.rates.messages_per_s)}</span>
        <span>{plural(info.messages, "message")}, {bytes(storedBytes(info))}</span>
        {info.time.high && <span>newest <Time at={info.time.high} /></span>}
        {source.server && <span>{source.server.product} {source.server.version}</span>}
        {source.queue && <span>{count(source.queue.messages)} waited in the queue</span>}
        {info.dead_letters > 0 && <a href="?tab=messages#dead">{plural(info.dead_letters, "dead letter")}</a>}
      </div>
      {words && <p class={info.state === "running" ? "soft" : "note"} role="status">{words}
        {source.next_try_at && <> Tried again <Time at={source.next_try_at} />.</>}</p>}
      <div class="bar">
        {may("actions:write") && <a class="button" href={`/processing/watches/+new?stream=${encodeURIComponent(info.name)}`}>Watch this</a>}
        <a class="button" href={`/processing?start=&stream=${encodeURIComponent(info.name)}`}>Follow this</a>
        {may("streams:write") && <PauseButton info={info} changed={changed} />}
      </div>
    </>
  );
}
