/** Messages: the newest as they come, older ones from any offset or time, and those that could not be taken. */
import {useEffect, useRef, useState} from "preact/hooks";
import {inPath, type List} from "../../api/client";
import {openSocket} from "../../api/socket";
import type {Message, StreamInfo} from "../../api/types";
import {address, navigate, withQuery} from "../../router";
import {useResource} from "../../resource";
import {dateTime} from "../../text";
import {Shown} from "../../ui";

const DRAW_MS = 250;
const BODY_SHOWN = 2000;

export function MessagesTab({stream}: {stream: StreamInfo}) {
  const query = address.value.query;
  const from = query.get("from");
  if (query.get("dead") === "1") return <DeadLetters name={stream.name} />;
  const look = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget as HTMLFormElement).get("from") ?? "").trim();
    navigate(withQuery({from: text || null}));
  };
  return (
    <section class="section">
      <form class="bar" onSubmit={look}>
        <label class="pick">From
          <input name="from" defaultValue={from ?? ""} placeholder={`offset, time or 10m`} key={from ?? ""} />
        </label>
        <button>Look back</button>
        {from && <a class="button quiet" href={withQuery({from: null})}>The newest</a>}
        <span class="hint">Offsets {stream.offsets.first} to {Math.max(stream.offsets.first, stream.offsets.next - 1)} are kept.</span>
      </form>
      {from ? <Stretch name={stream.name} from={from} /> : <MessageList name={stream.name} shown={100} />}
    </section>
  );
}

/** The newest messages by the stream's tail; drawn a few times a second however many come. */
export function MessageList({name, shown}: {name: string; shown: number}) {
  const [messages, show] = useState<Message[]>([]);
  const [isPaused, pause] = useState(false);
  const [isOpen, open] = useState(true);
  const buffer = useRef<Message[]>([]);
  const paused = useRef(false);
  paused.current = isPaused;
  useEffect(() => {
    let next = `-${shown}`;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const draw = (): void => {
      timer = undefined;
      if (!paused.current) show(buffer.current.slice().reverse());
    };
    buffer.current = [];
    show([]);
    const start = async (): Promise<string> => {
      const answer = await fetch(`/v1/streams/${inPath(name)}/stats`);
      const stats = (await answer.json()) as StreamInfo;
      return String(Math.max(stats.offsets.first, stats.offsets.next - shown));
    };
    let stop = (): void => undefined;
    let isOver = false;
    void start().then((from) => {
      if (isOver) return;
      next = from;
      stop = openSocket(() => `/v1/streams/${inPath(name)}/tail?from=${next}`, (text) => {
        const {items} = JSON.parse(text) as {items: Message[]};
        buffer.current = [...buffer.current, ...items].slice(-shown);
        const last = items.at(-1);
        if (last) next = String(last.offset + 1);
        timer ??= setTimeout(draw, DRAW_MS);
      }, open);
    }, () => open(false));
    return () => {
      isOver = true;
      clearTimeout(timer);
      stop();
    };
  }, [name, shown]);
  return (
    <>
      <div class="bar">
        <button aria-pressed={isPaused} onClick={() => (pause(!isPaused), show(buffer.current.slice().reverse()))}>{isPaused ? "Go on" : "Pause"}</button>
        {!isOpen && <span class="soft small" role="status">The connection is away; it comes back by itself.</span>}
      </div>
      {messages.length === 0 ? <p class="soft">Waiting for messages …</p> : <Messages items={messages} />}
    </>
  );
}

function Messages({items}: {items: Message[]}) {
  return (
    <ul class="card messages" aria-label="Messages">
      {items.map((one) => (
        <li key={one.offset}>
          <span class="number soft">{one.offset}</span>
          <span class="number">{dateTime(one.time)}{one.key !== null && <b> {one.key}</b>}</span>
          <code>{short(one.body)}</code>
        </li>
      ))}
    </ul>
  );
}

function short(body: unknown): string {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return text.length > BODY_SHOWN ? `${text.slice(0, BODY_SHOWN)} … (${text.length} characters)` : text;
}

function Stretch({name, from}: {name: string; from: string}) {
  const page = useResource<{items: Message[]; next: number | null}>(`/v1/streams/${inPath(name)}/messages?from=${encodeURIComponent(from)}&limit=100`);
  return (
    <Shown resource={page}>{({items, next}) => (
      <>
        {items.length === 0 ? <p class="soft">There is nothing from there on.</p> : <Messages items={items} />}
        {next !== null && <a class="button" href={withQuery({from: String(next)})}>The next hundred</a>}
      </>
    )}</Shown>
  );
}

interface DeadLetter { at: string; reason: string; body?: unknown; text?: string }

function DeadLetters({name}: {name: string}) {
  const letters = useResource<List<DeadLetter>>(`/v1/streams/${inPath(name)}/dead-letters`, {every: 5000});
  return (
    <section class="section">
      <div class="bar"><a class="button quiet" href={withQuery({dead: null})}>Messages</a></div>
      <Shown resource={letters}>{({items}) => items.length === 0 ? <p class="soft">Everything that came could be taken.</p> : (
        <ul class="card messages" aria-label="Messages that could not be taken">
          {items.map((one, at) => (
            <li key={at}><span class="number">{dateTime(one.at)}</span><b>{one.reason}</b><code>{short(one.body ?? one.text ?? one)}</code></li>
          ))}
        </ul>
      )}</Shown>
    </section>
  );
}
