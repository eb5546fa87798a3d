/** The frame around every page: navigation, connection, search, keys, signing in. */
import {Component, type ComponentChildren, type ComponentType} from "preact";
import {useEffect, useRef, useState} from "preact/hooks";
import {isOnline} from "../api/connection";
import {readSession, session, sessionState, signOut} from "../api/session";
import {address, fits, type Params} from "../router";
import {routes, type PageProps, type Route} from "../routes";
import {Announce, Loading, ProblemBox} from "../ui";
import {Keys} from "./keys";
import {Logo} from "./logo";
import {Palette, paletteIsOpen} from "./palette";
import {RunTray} from "./run-tray";
import {SignIn} from "./sign-in";
import {Stopped} from "./stopped";
import {ThemeButton} from "./theme";
import {Uploads} from "../upload";
import "./shell.css";

const SECTIONS: [href: string, name: string, what: string][] = [
  ["/", "Overview", ""], ["/data", "Data", "Aggregate"], ["/notebooks", "Notebooks", "Interact"],
  ["/runs", "Runs", "Compute"], ["/processing", "Processing", "Act"],
];

/** Asked for at once: every page waits for it. */
void readSession().catch(() => undefined);

export function Shell() {
  const found = match(address.value.path);
  const isBare = found?.route.pattern === "/d/{slug}" && address.value.query.get("kiosk") === "1";
  const isIn = sessionState.value === "in" || sessionState.value === "expired";
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      {!isBare && <Top section={found?.route.section ?? ""} isIn={isIn} />}
      <Connection />
      {isIn && !isBare && <Stopped />}
      <main id="main" class={isBare ? "bare" : ""} tabIndex={-1}>
        {sessionState.value === "loading" && <Loading />}
        {sessionState.value === "out" && <SignIn />}
        {isIn && <Place found={found} />}
      </main>
      {sessionState.value === "expired" && <SignIn isAgain />}
      {isIn && <Uploads />}
      {isIn && paletteIsOpen.value && <Palette />}
      {isIn && <Keys />}
      <Announce />
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function match(path: string): {route: Route; params: Params} | null {
  for (const route of routes) {
    const params = fits(route.pattern, path);
    if (params) return {route, params};
  }
  return null;
}

function Top({section, isIn}: {section: string; isIn: boolean}) {
  return (
    <header class="top">
      <a class="brand" href="/" aria-label="Suricate: overview"><Logo />Suricate</a>
      {isIn && (
        <nav class="sections" aria-label="Sections">
          {SECTIONS.map(([href, name, what]) => (
            <a key={href} href={href} title={what} aria-current={section === href ? "page" : undefined}>{name}</a>
          ))}
        </nav>
      )}
      {isIn && (
        <div class="tools">
          <RunTray />
          <button class="quiet" onClick={() => (paletteIsOpen.value = true)} aria-keyshortcuts="Control+K">Search</button>
          <ThemeButton />
          <a class="quiet button cut who" href="/settings" title="Settings">{session.value?.user}</a>
          <button class="quiet" onClick={() => void signOut()}>Sign out</button>
        </div>
      )}
    </header>
  );
}

function Connection() {
  if (isOnline.value) return null;
  return <div class="offline" role="status">The server can't be reached. What you see may be old; the connection is tried again by itself.</div>;
}

function Place({found}: {found: {route: Route; params: Params} | null}) {
  const query = address.value.query;
  const key = found ? found.route.pattern + JSON.stringify(found.params) : address.value.path;
  useEffect(() => {
    document.title = `${found?.route.title ?? "Not found"} · Suricate`;
  }, [key]);
  if (!found) return <NotFound />;
  return <Guard key={key}><Page route={found.route} params={found.params} query={query} /></Guard>;
}

function Page({route, params, query}: {route: Route} & PageProps) {
  const [page, set] = useState<ComponentType<PageProps> | null>(() => route.page ?? null);
  const [failure, fail] = useState<string | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!route.page) route.load?.().then((module) => set(() => module.default), (error: unknown) => fail(String(error)));
  }, [route]);
  useEffect(() => {
    const heading = frame.current?.querySelector("h1");
    if (page && heading && document.activeElement === document.body && history.length > 1) {
      heading.tabIndex = -1;
      heading.focus({preventScroll: true});
    }
  }, [page]);
  if (failure) {
    return (
      <ProblemBox problem={{title: "This part of the page could not be loaded", detail: failure}}>
        <div><button onClick={() => location.reload()}>Load again</button></div>
      </ProblemBox>
    );
  }
  const Shown = page;
  return <div ref={frame}>{Shown ? <Shown params={params} query={query} /> : <Loading />}</div>;
}

function NotFound() {
  return (
    <div class="page">
      <h1>There is no such page</h1>
      <p>The address {address.value.path} leads nowhere. <a href="/">Go to the overview</a>.</p>
    </div>
  );
}

/** A fault of ours in one page leaves the frame and the other pages alone. */
class Guard extends Component<{children: ComponentChildren}, {fault: string | null}> {
  override state = {fault: null as string | null};
  override componentDidCatch(error: unknown): void {
    console.error(error);
    this.setState({fault: String(error)});
  }
  override render() {
    if (this.state.fault === null) return this.props.children;
    return (
      <ProblemBox problem={{title: "This page failed", detail: this.state.fault}}>
        <div><button onClick={() => this.setState({fault: null})}>Show it again</button></div>
      </ProblemBox>
    );
  }
}
