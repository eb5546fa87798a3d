/** Streams as the REST API tells them (docs/reference/streams.md), and what pages derive from that. */
import {inPath} from "../../api/client";
import type {Message, SchemaField, StreamDefinition, StreamInfo} from "../../api/types";

export type {Consumer, StreamDefinition, StreamInfo} from "../../api/types";
export type Item = Message & {reason?: string};

export const streamPath = (name: string): string => `/v1/streams/${inPath(name)}`;
export const streamHref = (name: string): string => `/data/streams/${inPath(name)}`;
export const storedBytes = (one: StreamInfo): number => one.stored.head_bytes + one.stored.sealed_bytes;
export const isNumeric = (field: SchemaField): boolean => field.kind === "int" || field.kind === "float";

/** Where its messages come from, in a few words. */
export function sourceWords(definition: StreamDefinition): string {
  const {source} = definition;
  if (source.kind === "amqp") return `RabbitMQ queue ${String(source["queue"])}`;
  if (source.kind === "derived") return `derived from ${String(source["from"])}`;
  return "pushed";
}

/** What the source says of itself beside its state. */
export function stateWords({source}: StreamInfo): string {
  return [source.step && `at ${source.step}`, source.message, source.hint].filter(Boolean).join(": ");
}

export function rate(value: number): string {
  return value === 0 ? "quiet" : `${value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1)}/s`;
}

/** A body as one line, cut. */
export function line(body: unknown, most = 300): string {
  const text = typeof body === "string" ? body : (JSON.stringify(body) ?? "");
  return text.length > most ? `${text.slice(0, most)}…` : text;
}
