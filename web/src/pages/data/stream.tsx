/** One stream: its live chart, messages, fields, consumers, and its definition. */
import {inPath} from "../../api/client";
import type {StreamInfo} from "../../api/types";
import type {PageProps} from "../../routes";
import {useResource} from "../../resource";
import {bytes, compact, count} from "../../text";
import {Shown, StateBadge, Table, Tabs, Time} from "../../ui";
import {ConsumersTab} from "./consumers";
import {LiveTab} from "./live";
import {MessagesTab} from "./messages";
import {QueryBox} from "./query-box";
import {SettingsTab} from "./stream-settings";
import {PushSnippets} from "./snippets";
import "./data.css";

const TABS: [string, string][] = [
  ["live", "Live"], ["messages", "Messages"], ["schema", "Fields"], ["consumers", "Consumers"], ["sql", "SQL"], ["settings", "Settings"],
];

export default function StreamPage({params, query}: PageProps) {
  const name = params["name"] ?? "";
  const stream = useResource<StreamInfo>(`/v1/streams/${inPath(name)}`, {on: ["stream."], every: 2000});
  const tab = query.get("tab") ?? "live";
  return (
    <div class="page">
      <div class="head">
        <p class="small"><a href="/data/streams">Streams</a></p>
        <h1>{name}</h1>
        <Shown resource={stream}>{(one) => <Facts stream={one} />}</Shown>
        {stream.data && <Tabs tabs={TABS} label="Views of the stream" />}
      </div>
      {stream.data && <Tab tab={tab} stream={stream.data} changed={stream.refresh} />}
    </div>
  );
}

function Facts({stream}: {stream: StreamInfo}) {
  return (
    <>
      <div class="facts">
        <StateBadge state={stream.source.state} /><span>{stream.definition.source.kind}</span>
        <span class="number"><b>{compact(stream.rates.messages_per_s)}</b> messages a second</span>
        <span>{count(stream.messages)} kept</span><span>{bytes(stream.stored.head_bytes + stream.stored.sealed_bytes)}</span>
        {stream.time.high && <span>newest <Time at={stream.time.high} /></span>}
        {stream.dead_letters > 0 && <a href="?tab=messages&dead=1">{count(stream.dead_letters)} could not be taken</a>}
      </div>
      {stream.source.message && <p class="note">{stream.source.step ? `${stream.source.step}: ` : ""}{stream.source.message}</p>}
      {stream.definition.description && <p class="soft">{stream.definition.description}</p>}
      <div class="bar"><a class="button" href={`/processing?stream=${encodeURIComponent(stream.name)}`}>Follow it</a></div>
    </>
  );
}

function Tab({tab, stream, changed}: {tab: string; stream: StreamInfo; changed: () => void}) {
  if (tab === "messages") return <MessagesTab stream={stream} />;
  if (tab === "schema") return <Fields stream={stream} />;
  if (tab === "consumers") return <ConsumersTab name={stream.name} />;
  if (tab === "sql") return <QueryBox stream={stream} />;
  if (tab === "settings") return <SettingsTab stream={stream} changed={changed} />;
  return stream.messages === 0 && stream.definition.source.kind === "push" ? <PushSnippets name={stream.name} /> : <LiveTab stream={stream} />;
}

function Fields({stream}: {stream: StreamInfo}) {
  if (stream.schema.fields.length === 0) return <p class="soft">Fields are found in the messages as they come; none has come yet.</p>;
  return (
    <Table label="Fields" head={["Field", "Kind", "Part"]}>
      {stream.schema.fields.map((field) => (
        <tr key={field.name + field.kind}>
          <th scope="row">{field.name}</th><td class="soft">{field.kind}</td>
          <td class="soft">{field.name === stream.definition.time?.field ? "the message's time" : field.name === stream.definition.key ? "the key" : ""}</td>
        </tr>
      ))}
    </Table>
  );
}
