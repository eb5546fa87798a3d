/** One output as nodes that need no script: what outputs/ shows alive, here as it stands. */
import {api} from "../api/client";
import {AnsiWriter, overwritten} from "../outputs/ansi";
import {isHeavy} from "../outputs/drawing";
import {wantedOf} from "../outputs/wanted";
import {markdownFragment} from "../outputs/markdown";
import {drawAllMath, drawMath, formulaOf} from "../outputs/math";
import {decoded, isBomb, pictureOf} from "../outputs/picture";
import {sanitised} from "../outputs/sanitise";
import {asJson, RASTER, RESULT, textOf, tooLarge, WIDGET, type DataOutput, type ErrorOutput, type Output} from "../outputs/types";
import {bytes} from "../text";

/** What one output may add to the file; more is cut and said. */
const MOST_TEXT = 4_000_000;

export function make(tag: string, kind: string, ...children: (Node | string)[]): HTMLElement {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...children);
  return element;
}

const note = (text: string): HTMLElement => make("p", "note", text);

function text(value: string): Node {
  const pre = document.createElement("pre");
  new AnsiWriter().write(pre, overwritten(value.slice(0, MOST_TEXT)));
  if (value.length <= MOST_TEXT) return pre;
  return make("div", "", pre, note(`${bytes(value.length - MOST_TEXT)} more are left out here.`));
}

function picture(output: DataOutput, type: string): Node {
  const base64 = textOf(output.data[type]).replace(/\s+/g, "");
  const data = decoded(base64);
  const found = data && pictureOf(data);
  if (!found || isBomb(found)) return note("A picture that can't be shown.");
  return image(`data:${found.type};base64,${base64}`, output, type);
}

function image(address: string, output: DataOutput, type: string): HTMLImageElement {
  const wanted = wantedOf(output.metadata, type, textOf(output.data["text/plain"]));
  const made = document.createElement("img");
  made.alt = wanted.alt;
  if (wanted.width) made.width = wanted.width;
  made.src = address;
  return made;
}

function drawing(output: DataOutput): Node {
  const svg = textOf(output.data["image/svg+xml"]);
  if (isHeavy(svg)) return note("A drawing that is too large to be shown.");
  const data = new TextEncoder().encode(svg);
  let binary = "";
  for (let at = 0; at < data.length; at += 8192) binary += String.fromCharCode(...data.subarray(at, at + 8192));
  return image(`data:image/svg+xml;base64,${btoa(binary)}`, output, "image/svg+xml");
}

function html(value: string): Node {
  const clean = sanitised(value.slice(0, MOST_TEXT));
  return clean.isPlain ? clean.fragment : make("div", "", clean.fragment, note("Styles and scripts of this output are left out here."));
}

async function latex(value: string): Promise<Node> {
  const formula = formulaOf(value);
  if (!formula) return markdown(value);
  const place = make("div", "", formula.tex);
  await drawMath(place, formula.tex, formula.isDisplay, true);
  return place;
}

export async function markdown(source: string, attachments = {}): Promise<Node> {
  const place = make("div", "markdown", markdownFragment(source, attachments));
  await drawAllMath(place, true);
  return place;
}

/** Richest first among what stands without a script. */
async function data(output: DataOutput): Promise<Node> {
  const {data: bundle = {}} = output;
  const raster = RASTER.find((type) => bundle[type] !== undefined);
  if (bundle[RESULT] !== undefined) return text(asJson(bundle[RESULT]));
  if (bundle[WIDGET] !== undefined) return make("div", "", text(textOf(bundle["text/plain"])), note("An interactive widget."));
  const isChart = Object.keys(bundle).some((type) => /^application\/vnd\.(plotly|vega)/.test(type));
  if (bundle["text/html"] !== undefined && !isChart) return html(textOf(bundle["text/html"]));
  if (bundle["text/markdown"] !== undefined) return markdown(textOf(bundle["text/markdown"]));
  if (bundle["image/svg+xml"] !== undefined) return drawing(output);
  if (bundle["text/latex"] !== undefined) return latex(textOf(bundle["text/latex"]));
  if (raster) return picture(output, raster);
  if (isChart) return note("An interactive chart: it is drawn where the notebook is open in Suricate.");
  if (bundle["application/json"] !== undefined) return text(asJson(bundle["application/json"]));
  return text(textOf(bundle["text/plain"]));
}

function error(output: ErrorOutput): Node {
  const head = make("p", "note", make("strong", "", String(output.ename)), `: ${String(output.evalue)}`);
  return make("div", "error", head, text((Array.isArray(output.traceback) ? output.traceback : []).join("\n")));
}

/** Outputs that the server keeps to itself are asked for. */
export async function staticOutput(output: Output): Promise<Node> {
  const kept = tooLarge(output);
  if (kept) {
    try {
      return await staticOutput(await api<Output>(kept.href));
    } catch {
      return note(`An output of ${bytes(kept.too_large)} that could not be read.`);
    }
  }
  if (output.output_type === "stream") return output.name === "stderr" ? make("div", "stderr", text(textOf(output.text))) : text(textOf(output.text));
  return output.output_type === "error" ? error(output) : data(output);
}
