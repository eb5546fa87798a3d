/** What acting consists of: a page each, and how many decisions wait for somebody. */
import type {ComponentChildren} from "preact";
import {useEffect, useRef} from "preact/hooks";
import type {Decision} from "../../api/acting";
import type {List} from "../../api/client";
import {useResource} from "../../resource";
import {address} from "../../router";
import "./acting.css";

const PLACES: [href: string, name: string][] = [
  ["/processing", "Watches and notebooks"],
  ["/processing/decisions", "Decisions"],
  ["/processing/models", "Models"],
  ["/processing/actions", "Actions"],
  ["/processing/triggers", "Triggers"],
  ["/processing/silences", "Silences"],
];
const WAITING_MAX = 100;

export function useWaiting(): number {
  return (
    useResource<List<Decision>>(`/v1/decisions?state=held&limit=${WAITING_MAX}`, {on: ["decision.", "anomaly."], every: 10_000}).data?.items.length ??
    0
  );
}

export function ProcessingNav() {
  const waiting = useWaiting();
  const path = address.value.path;
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    // on a phone the tabs scroll
    const now = bar.current?.querySelector<HTMLElement>("[aria-current]");
    if (bar.current && now) bar.current.scrollLeft = now.offsetLeft - bar.current.offsetLeft - (bar.current.clientWidth - now.offsetWidth) / 2;
  }, [path]);
  return (
    <nav ref={bar} class="tabs" aria-label="Parts of processing">
      {PLACES.map(([href, name]) => (
        <a key={href} href={href} aria-current={path === href ? "page" : undefined}>
          {name}
          {href.endsWith("decisions") && waiting > 0 && (
            <span class="act-badge" title={`${waiting} wait for approval`}>
              {waiting >= WAITING_MAX ? `${WAITING_MAX}+` : waiting}
              <span class="sr"> wait for approval</span>
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

/** The head of a list: its name, what it is, what can be made. */
export function ActingHead({title, about, children}: {title: string; about: string; children?: ComponentChildren}) {
  return (
    <div class="head">
      <div class="bar apart">
        <h1>{title}</h1>
        <div class="bar">{children}</div>
      </div>
      <p class="soft">{about}</p>
      <ProcessingNav />
    </div>
  );
}

/** Where one stands: a list, a thing of it. */
export function Crumbs({href, name}: {href: string; name: string}) {
  return (
    <p class="small soft">
      <a href="/processing">Processing</a> / <a href={href}>{name}</a>
    </p>
  );
}
