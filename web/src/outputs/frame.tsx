/** A frame of an opaque origin for outputs that want to act: scripts, styles, forms, charts. It has no network, no storage, no
 * cookies and no way to move the page; what it says is only ever taken as a height, a link to be asked about, or a complaint. */
import {useEffect, useRef, useState} from "preact/hooks";
import plotlyScript from "plotly.js-basic-dist-min/plotly-basic.min.js?url";
import {bytes} from "../text";
import host from "./host.frame.ts?frame";
import type {FromFrame, Job, Theme, ToFrame} from "./job";
import {safeLink} from "./sanitise";
import vegaScript from "./vega.frame.ts?frame";

const HIGHEST = 2400;
/** A frame that says more than this in a second is stopped: it would keep the page busy. */
const MESSAGES_A_SECOND = 200;

const LIBRARIES: Partial<Record<Job["kind"], string[]>> = {plotly: [plotlyScript], vega: [vegaScript]};

function theme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const probe = document.createElement("i");
  document.body.append(probe);
  const colour = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {ink: colour("ink"), soft: colour("soft"), line: colour("line"), sunken: colour("sunken"), accent: colour("accent")};
  probe.remove();
  const forced = document.documentElement.dataset["theme"];
  const isDark = forced ? forced === "dark" : style.colorScheme.includes("dark") && matchMedia("(prefers-color-scheme: dark)").matches;
  return {scheme: isDark ? "dark" : "light", ...found};
}

const themed = new Set<() => void>();
let isWatching = false;

function onTheme(listener: () => void): () => void {
  if (!isWatching) {
    isWatching = true;
    const tell = (): void => requestAnimationFrame(() => themed.forEach((one) => one())) as unknown as void;
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    new MutationObserver(tell).observe(document.documentElement, {attributes: true, attributeFilter: ["data-theme"]});
  }
  themed.add(listener);
  return () => void themed.delete(listener);
}

/** So many frames are alive at once; beyond that the one farthest from sight is let go, and made again when it comes near. */
const MOST_ALIVE = 24;
const FAR = 1000;

interface Alive {
  place: HTMLElement;
  letGo: () => void;
}
const alive = new Set<Alive>();

function distance(place: HTMLElement): number {
  const {top, bottom} = place.getBoundingClientRect();
  return Math.max(0, top - innerHeight, -bottom);
}

/** All that are too many, the farthest first. Where frames are small they may all have been near when they were made: so it is
 * looked again when they have grown. */
function trim(): void {
  const excess = alive.size - MOST_ALIVE;
  if (excess <= 0) return;
  const far = [...alive].map((entry) => ({entry, away: distance(entry.place)})).filter(({away}) => away > FAR).sort((a, b) => b.away - a.away);
  for (const {entry} of far.slice(0, excess)) entry.letGo();
}

let trimming: ReturnType<typeof setTimeout> | undefined;
const trimSoon = (): void => {
  trimming ??= setTimeout(() => {
    trimming = undefined;
    trim();
  }, 200);
};

function enter(entry: Alive): () => void {
  alive.add(entry);
  trimSoon();
  return () => void alive.delete(entry);
}

interface Events {
  link: (href: string) => void;
  failed: (message: string) => void;
  stopped: (why: string) => void;
}

/** Puts the frame into `place`; returns how to take it away. */
function open(place: HTMLElement, job: Job, title: string, on: Events): () => void {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.setAttribute("credentialless", "");
  frame.setAttribute("referrerpolicy", "no-referrer");
  frame.allow = "";
  frame.title = title;
  frame.src = "/frame";
  frame.style.height = place.style.minHeight || "24px";
  let loads = 0, messages = 0, since = 0;
  const say = (message: ToFrame): void => frame.contentWindow?.postMessage(message, "*");
  const stop = (why: string): void => {
    close();
    on.stopped(why);
  };
  const hear = (event: MessageEvent<FromFrame>): void => {
    if (event.source !== frame.contentWindow || typeof event.data !== "object" || event.data === null) return;
    if (event.timeStamp - since > 1000) [since, messages] = [event.timeStamp, 0];
    if (++messages > MESSAGES_A_SECOND) return stop("it would not stop talking to the page");
    const said = event.data;
    if (said.type === "height" && Number.isFinite(said.height) && said.height > 1) {
      place.style.minHeight = "";
      frame.style.height = `${Math.min(HIGHEST, Math.max(24, Math.ceil(said.height)))}px`;
      trimSoon();
    }
    if (said.type === "link" && typeof said.href === "string") on.link(said.href);
    if (said.type === "failed" && typeof said.message === "string") on.failed(said.message.slice(0, 300));
  };
  const unTheme = onTheme(() => say({type: "theme", theme: theme()}));
  const close = (): void => {
    window.removeEventListener("message", hear);
    unTheme();
    frame.remove();
  };
  frame.addEventListener("load", () => {
    if (++loads > 1) return stop("it tried to show another page instead");
    say({type: "show", script: host, libraries: LIBRARIES[job.kind] ?? [], job, theme: theme()});
  });
  window.addEventListener("message", hear);
  place.replaceChildren(frame);
  return close;
}

function AskedLink({href, onDone}: {href: string; onDone: () => void}) {
  return (
    <p class="out-note bar" role="alert">
      <span class="grow">This output wants to open <strong>{href.slice(0, 300)}</strong></span>
      <a class="button" href={href} target="_blank" rel="noopener noreferrer" onClick={onDone}>Open</a>
      <button class="quiet" onClick={onDone}>No</button>
    </p>
  );
}

export function Frame({job, title, isWaiting = false, size}: {job: Job; title: string; isWaiting?: boolean; size?: number}) {
  const place = useRef<HTMLDivElement>(null);
  const [isWanted, want] = useState(!isWaiting);
  const [isNear, setNear] = useState(false);
  const [link, setLink] = useState<string | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  useEffect(() => {
    if (!place.current || isNear) return undefined;
    const observer = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && setNear(true), {rootMargin: "500px"});
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [isNear]);
  const key = job.kind === "html" ? job.html : job.kind === "script" ? job.code : job.kind === "svg" ? job.svg : job.kind === "plotly" ? job.figure : job.spec;
  useEffect(() => {
    const room = place.current;
    if (!isNear || !isWanted || !room) return undefined;
    setFault(null);
    const close = open(room, job, title, {
      link: (href) => setLink(safeLink(href)),
      failed: setFault,
      stopped: (why) => setFault(`This output was stopped: ${why}.`),
    });
    const leave = enter({place: room, letGo: () => {
      room.style.minHeight = `${room.offsetHeight}px`; // what stands below stays where it is
      setNear(false);
    }});
    return () => {
      leave();
      close();
    };
  }, [isNear, isWanted, job.kind, key, title]);
  return (
    <div class="out-frame">
      {!isWanted && <button onClick={() => want(true)}>Show this output{size ? ` (${bytes(size)})` : ""}</button>}
      <div ref={place} />
      {fault && <p class="out-note">{fault}</p>}
      {link && <AskedLink href={link} onDone={() => setLink(null)} />}
    </div>
  );
}
