/** Messages: the newest as they come, or back from any place; and what could not be taken. */
import {useEffect, useRef, useState} from "preact/hooks";
import {type List, Problem, remove} from "../../api/client";
import {may} from "../../api/session";
import {Json} from "../../outputs/json";
import {navigate, withQuery} from "../../router";
import {useResource} from "../../resource";
import {count, dateTime, plural} from "../../text";
import {announce, Empty, ProblemBox, Shown} from "../../ui";
import {type Item, line, streamPath, type StreamInfo} from "./stream-model";
import {useTail} from "./tail";

const FIRST = 50;
const PAGE = 100;

export function Messages({info, query}: {info: StreamInfo; query: URLSearchParams}) {
  const from = query.get("from");
  return (
    <>
      <section class="section" aria-label="Messages">
        <LookBack from={from} />
        {from === null ? <Following info={info} /> : <Back info={info} from={from} />}
      </section>
      <DeadLetters info={info} />
    </>
  );
}

function LookBack({from}: {from: string | null}) {
  const look = (event: SubmitEvent): void => {
    event.preventDefault();
    const place = String(new FormData(event.currentTarget as HTMLFormElement).get("from") ?? "").trim();
    navigate(withQuery({from: place || null}));
  };
  return (
    <form class="bar" onSubmit={look}>
      <label class="check">Look from <input key={from ?? ""} class="place" name="from" defaultValue={from ?? ""}
        placeholder="5m, 2026-01-01T12:00Z, 1234" aria-describedby="from-hint" /></label>
      <button>Look</button>
      {from !== null && <a class="button" href={withQuery({from: null})}>Follow the newest</a>}
      <span id="from-hint" class="hint">A time, an offset, or how long before the newest message.</span>
    </form>
  );
}

function Following({info}: {info: StreamInfo}) {
  const [start] = useState(Math.max(info.offsets.first, info.offsets.next - FIRST));
  const [isPaused, pause] = useState(false);
  const [seenAtPause, note] = useState(0);
  const tail = useTail(info.name, start, isPaused);
  const turn = (): void => {
    note(tail.seen);
    pause(!isPaused);
    announce(isPaused ? "Goes on" : "Paused");
  };
  if (info.offsets.next === 0 && tail.items.length === 0) return <Empty title="No messages yet"><span>They show here as they come.</span></Empty>;
  return (
    <>
      <div class="bar">
        <button aria-pressed={isPaused} onClick={turn}>{isPaused ? "Go on" : "Pause"}</button>
        <span class="soft small" aria-live="off">
          {isPaused ? `${plural(tail.seen - seenAtPause, "message")} came meanwhile` : tail.isOpen ? "live, newest first" : "connecting …"}
        </span>
      </div>
      <Items items={tail.items} label="Newest messages" />
    </>
  );
}

function Back({info, from}: {info: StreamInfo; from: string}) {
  const page = useResource<List<Item> & {next: number | null; missing?: {from: number; to: number; why: string}[]}>(
    `${streamPath(info.name)}/messages?from=${encodeURIComponent(from)}&limit=${PAGE}`);
  return (
    <Shown resource={page}>{({items, next, missing}) => (
      <>
        {missing?.map((hole) => <p key={hole.from} class="note">Messages {count(hole.from)} to {count(hole.to)} can't be read: {hole.why}.</p>)}
        {items.length === 0 ? <Empty title="Nothing from there on"><span>The newest message is older.</span></Empty>
          : <Items items={items} label="Messages from there on" />}
        <div class="bar">
          {items[0] && items[0].offset > info.offsets.first &&
            <a class="button" href={withQuery({from: String(Math.max(info.offsets.first, items[0].offset - PAGE))})}>Earlier</a>}
          {next !== null && <a class="button" href={withQuery({from: String(next)})}>Later</a>}
        </div>
      </>
    )}</Shown>
  );
}

function Items({items, label}: {items: Item[]; label: string}) {
  return (
    <div class="card table messages" role="region" aria-label={label} tabIndex={0}>
      <ul>{items.map((item) => <Message key={item.offset} item={item} />)}</ul>
    </div>
  );
}

function Message({item}: {item: Item}) {
  const [isOpen, open] = useState(false);
  const about = {...(item.id !== null && item.id !== undefined && {id: item.id}), ...(item.headers && {headers: item.headers})};
  return (
    <li>
      <button class="message" aria-expanded={isOpen} onClick={() => open(!isOpen)}>
        <span class="soft number">{item.offset}</span>
        <time class="soft number" dateTime={item.time}>{item.time?.slice(11, 23)}</time>
        {item.key !== null && item.key !== undefined ? <b class="cut"><bdi>{item.key}</bdi></b> : <span />}
        <code class="cut">{item.reason ? `${item.reason}: ` : ""}{line(item.body)}</code>
      </button>
      {isOpen && (
        <div class="opened">
          {item.reason && <p class="note">{item.reason}</p>}
          <p class="soft small">{dateTime(item.time)}, arrived {dateTime(item.arrival)}</p>
          <Json value={item.body} />
          {Object.keys(about).length > 0 && <Json value={about} isOpen />}
        </div>
      )}
    </li>
  );
}

function DeadLetters({info}: {info: StreamInfo}) {
  const path = `${streamPath(info.name)}/dead-letters`;
  const dead = useResource<List<Item>>(info.dead_letters > 0 ? `${path}?limit=100` : null, {on: ["stream."], every: 5000});
  const [problem, fail] = useState<Problem | null>(null);
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    if (location.hash === "#dead") section.current?.scrollIntoView();
  }, [dead.data === null]);
  if (info.dead_letters === 0) return null;
  return (
    <section class="section" id="dead" ref={section}>
      <div class="bar apart">
        <h2>{plural(info.dead_letters, "dead letter")}</h2>
        {may("streams:write") && <button class="quiet danger" onClick={() => void remove(path).then(dead.refresh, fail)}>Forget them</button>}
      </div>
      <p class="soft small">What the source could not take, with the reason.</p>
      {problem && <ProblemBox problem={problem} />}
      <Shown resource={dead}>{({items}) => <Items items={items} label="Dead letters" />}</Shown>
    </section>
  );
}

