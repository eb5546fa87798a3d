/** Inside the frame (web/frame.html, an opaque origin, no network): shows one output and tells its height.
 * What runs here next to strangers' code can be changed by it; the page relies on nothing that happens here. */
import type {FromFrame, Job, Theme, ToFrame} from "./job";

interface Plotly {
  newPlot: (place: HTMLElement, data: unknown, layout: unknown, config: unknown) => Promise<unknown>;
  validate: (data: unknown, layout: unknown) => {code: string; container: string; path: unknown; msg: string}[] | undefined;
}
interface Libraries {
  Plotly?: Plotly;
  vegaEmbed?: (place: HTMLElement, spec: unknown, options: unknown) => Promise<unknown>;
}

const page = window.parent;
const place = document.createElement("div");
place.id = "output";
document.body.append(place);

// Where browsers don't know the header that keeps these in (Connection-Allowlist), at least not by their plain names.
for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "mozRTCPeerConnection", "RTCDataChannel", "WebTransport"]) {
  delete (window as unknown as Record<string, unknown>)[name];
}

function tell(message: FromFrame): void {
  page.postMessage(message, "*");
}

function colour(theme: Theme): void {
  const root = document.documentElement;
  root.style.colorScheme = theme.scheme;
  for (const name of ["ink", "soft", "line", "sunken", "accent"] as const) root.style.setProperty(`--${name}`, theme[name]);
}

function load(address: string): Promise<void> {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = () => done();
    script.onerror = () => failed(new Error("a library could not be loaded"));
    document.head.append(script);
  });
}

function show(html: string): void {
  const range = document.createRange();
  range.selectNode(place);
  place.append(range.createContextualFragment(html)); // scripts in it run, in their order
}

function run(code: string): void {
  Object.assign(window, {element: place});
  const script = document.createElement("script");
  script.textContent = code;
  place.append(script);
}

function picture(svg: string, alt: string): void {
  const image = new Image();
  image.alt = alt;
  image.src = URL.createObjectURL(new Blob([svg], {type: "image/svg+xml"}));
  image.onerror = () => tell({type: "failed", message: "This drawing is damaged."});
  place.append(image);
}

async function plotly(figure: {data?: unknown[]; layout?: Record<string, unknown>; config?: object}, library: Plotly): Promise<void> {
  const unknown = [...new Set((library.validate(figure.data ?? [], {}) ?? [])
    .filter((fault) => fault.code === "value" && fault.container === "data" && String(fault.path).endsWith("type")).map((fault) => fault.msg))];
  if (unknown.length > 0) throw new Error("Charts of this kind are not among those that Suricate draws (lines, points, bars, areas, pies).");
  const {width, height, ...rest} = figure.layout ?? {};
  const isNarrow = typeof width === "number" && width <= innerWidth;
  const layout: Record<string, unknown> = isNarrow ? {...rest, width, height} : {...rest, autosize: true};
  place.classList.add("paper");
  place.style.height = `${typeof height === "number" && height > 0 ? Math.min(2000, height) : 420}px`;
  await library.newPlot(place, figure.data ?? [], layout, {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["toImage", "sendDataToCloud"]});
}

/** Old scripts write into their document while it loads; ours is long there. */
document.write = document.writeln = (...parts: string[]): void => show(parts.join(""));

async function work(job: Job, libraries: string[]): Promise<void> {
  for (const address of libraries) await load(address);
  const loaded = window as unknown as Libraries;
  if (job.kind === "html") show(job.html);
  if (job.kind === "script") run(job.code);
  if (job.kind === "svg") picture(job.svg, job.alt);
  if (job.kind === "plotly" && loaded.Plotly) await plotly(job.figure as object, loaded.Plotly);
  if (job.kind === "vega" && loaded.vegaEmbed) {
    place.classList.add("paper");
    await loaded.vegaEmbed(place, job.spec, {mode: job.isLite ? "vega-lite" : "vega", actions: false, renderer: "svg"});
  }
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!link) return;
  event.preventDefault();
  if (link instanceof HTMLAnchorElement) tell({type: "link", href: link.href});
}, true);

let told = 0;
new ResizeObserver(() => {
  const height = Math.ceil(Math.max(document.body.scrollHeight, place.getBoundingClientRect().bottom));
  if (height !== told) tell({type: "height", height: (told = height)});
}).observe(document.body);

window.addEventListener("message", (event) => {
  if (event.source !== page) return;
  const message = event.data as ToFrame;
  colour(message.theme);
  if (message.type !== "show") return;
  work(message.job, message.libraries).catch((error: unknown) => tell({type: "failed", message: error instanceof Error ? error.message : String(error)}));
});
tell({type: "height", height: 1}); // loaded
