/** The outputs of a cell, each by its richest form that we can show safely. */
import type {ComponentChildren} from "preact";
import {useState} from "preact/hooks";
import {announce, Progress} from "../ui";
import {withoutAnsi} from "./ansi";
import {ErrorView} from "./error";
import {Frame} from "./frame";
import {Html} from "./html";
import {Raster} from "./image";
import {Json} from "./json";
import {Large} from "./large";
import {Latex, Markdown} from "./markdown-view";
import {Result} from "./result";
import {Svg} from "./svg";
import {Text} from "./text-view";
import {PLOTLY, plainText, PROGRESS, RASTER, RESULT, richest, textOf, tooLarge, VEGA, WIDGET, type DataOutput, type Lines, type Output} from "./types";
import {wantedOf} from "./wanted";
import "./outputs.css";

type Show = (value: unknown, output: DataOutput, type: string) => ComponentChildren;

const wanted = (output: DataOutput, type: string) => wantedOf(output.metadata, type, textOf(output.data["text/plain"]));

/** One row a kind. */
const SHOWS: Record<string, Show> = {
  "text/plain": (value) => <Text text={value as Lines} />,
  "text/html": (value) => <Html html={textOf(value)} />,
  "text/markdown": (value) => <Markdown source={value as Lines} />,
  "text/latex": (value) => <Latex source={textOf(value)} />,
  "image/svg+xml": (value, output, type) => <Svg svg={textOf(value)} wanted={wanted(output, type)} />,
  "application/json": (value) => <Json value={value} />,
  "application/javascript": (value) => <Frame job={{kind: "script", code: textOf(value)}} title="Output of a script" />,
  [PLOTLY]: (value) => <Frame job={{kind: "plotly", figure: value}} title="Chart (Plotly)" />,
  [RESULT]: (value) => <Result value={value} />,
  [WIDGET]: (_, output) => (
    <>
      <Text text={(output.data["text/plain"] ?? "Widget") as Lines} />
      <p class="out-note">This is an interactive widget. Suricate shows its text.</p>
    </>
  ),
};

function Data({output}: {output: DataOutput}) {
  const data = output.data ?? {};
  const type = richest(data);
  if (type === null) {
    const names = Object.keys(data);
    return names.length ? <p class="out-note">An output of a kind that is not shown here: {names.join(", ").slice(0, 200)}</p> : null;
  }
  if (RASTER.includes(type)) return <Raster base64={textOf(data[type])} type={type} wanted={wanted(output, type)} />;
  if (VEGA.test(type)) return <Frame job={{kind: "vega", spec: data[type], isLite: type.includes("vegalite")}} title="Chart (Vega)" />;
  return <>{(SHOWS[type] ?? SHOWS["text/plain"])?.(data[type], output, type)}</>;
}

/** One output alone. */
export function One({output}: {output: Output}) {
  const kept = tooLarge(output);
  if (kept) return <Large at={kept} />;
  if (output.output_type === "stream") return <Text text={output.text} kind={output.name} />;
  if (output.output_type === "error") return <ErrorView output={output} />;
  return <Data output={output} />;
}

function progressOf(output: Output): {fraction: number; text: string} | null {
  const said = output.output_type === "display_data" ? (output.data?.[PROGRESS] as {fraction?: unknown; text?: unknown} | undefined) : undefined;
  if (!said) return null;
  return {fraction: Math.min(1, Math.max(0, Number(said.fraction) || 0)), text: typeof said.text === "string" ? said.text.slice(0, 200) : ""};
}

function Tools({outputs, isClosed, onClose}: {outputs: Output[]; isClosed: boolean; onClose: () => void}) {
  const copy = async (): Promise<void> => {
    const text = outputs.map(plainText).filter(Boolean).join("\n");
    await navigator.clipboard.writeText(withoutAnsi(text));
    announce("Output copied");
  };
  return (
    <div class="out-tools">
      <button class="quiet" onClick={() => void copy()}>Copy<span class="sr"> this output as text</span></button>
      <button class="quiet" aria-expanded={!isClosed} onClick={onClose}>{isClosed ? "Show" : "Hide"}<span class="sr"> this output</span></button>
    </div>
  );
}

/** `isLive`: more may come. Growing text is cheapest when `text` is an array that pieces are pushed to (see README.md). */
export function Outputs({outputs, isLive = false}: {outputs: Output[]; isLive?: boolean}) {
  const [isClosed, close] = useState(false);
  const shown = outputs.filter((output) => !progressOf(output));
  const progress = isLive ? outputs.map(progressOf).findLast(Boolean) : null;
  if (shown.length === 0 && !progress) return null;
  return (
    <div class="outputs">
      {shown.length > 0 && <Tools outputs={shown} isClosed={isClosed} onClose={() => close(!isClosed)} />}
      {isClosed ? <p class="out-note">Output hidden</p> : (
        shown.map((output, at) => <div class="out" key={at}><One output={output} /></div>)
      )}
      {progress && (
        <div class="out out-progress">
          <Progress value={progress.fraction} label={progress.text || "Progress of this cell"} />
          <span class="small soft">{Math.round(progress.fraction * 100)} % {progress.text}</span>
        </div>
      )}
    </div>
  );
}
