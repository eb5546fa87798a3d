/** A new stream: who brings its messages, then what that needs. */
import {api} from "../../api/client";
import {navigate, withQuery} from "../../router";
import type {PageProps} from "../../routes";
import {DefinitionForm} from "./definition-form";
import {blank, type Kind} from "./draft";
import {streamHref, streamPath} from "./stream-model";
import "./data.css";

const KINDS: [Kind, string, string][] = [
  ["push", "Push", "Programs send messages over HTTP."],
  ["amqp", "RabbitMQ", "Suricate consumes a queue (AMQP 0-9-1)."],
  ["derived", "Derived", "Computed from another stream, window by window."],
];

const MAKE = {"If-None-Match": "*"};

export default function NewStream({query}: PageProps) {
  const asked = query.get("kind");
  const kind: Kind = asked === "amqp" || asked === "derived" ? asked : "push";
  const store = async (name: string, definition: Record<string, unknown>): Promise<void> => {
    await api(streamPath(name), {method: "PUT", body: definition, headers: MAKE});
    navigate(streamHref(name));
  };
  return (
    <div class="page narrow">
      <div class="head"><p class="small"><a href="/data/streams">Streams</a></p><h1>New stream</h1></div>
      <nav class="kinds" aria-label="Where its messages come from">
        {KINDS.map(([id, title, about]) => (
          <a key={id} class="card pad" href={withQuery({kind: id === "push" ? null : id})} aria-current={id === kind ? "true" : undefined}>
            <b>{title}</b><span class="soft small">{about}</span>
          </a>
        ))}
      </nav>
      <DefinitionForm key={kind} initial={blank(kind, query.get("from") ?? "")} isNew label="Make the stream" store={store} />
    </div>
  );
}
