/** A live chart of a stream's numbers: any field by any key, over any range from the last minute to all of it. */
import {useEffect, useMemo, useRef, useState} from "preact/hooks";
import {api, inPath, Problem} from "../api/client";
import {openSocket} from "../api/socket";
import {clock, compact, count, dateTime, plural, seconds} from "../text";
import {Loading, ProblemBox} from "../ui";
import {Legend} from "./legend";
import type {Plot} from "./plot";
import {Series, type SeriesAnswer} from "./series";
import {SeriesTable} from "./series-table";
import {useSketch} from "./use-sketch";
import "./charts.css";
import "./live.css";

export interface LiveChartProps {
  /** The stream's name. */
  stream: string;
  /** Numeric fields, drawn together. */
  fields: string | string[];
  /** A line for each value of this field ("_key": the messages' key). */
  by?: string | null;
  /** What to show: "1m" (when absent), "10m", "1h", "1d", any other duration, or "all". */
  range?: string;
  /** Another range was chosen; the chart shows it in any case. */
  onRange?: (range: string) => void;
  /** Above the chart; the fields' names when absent. */
  title?: string;
  /** The most lines of a field; absent: 12. */
  keys?: number;
}

const RANGES: [string, string][] = [["1m", "1 min"], ["10m", "10 min"], ["1h", "1 h"], ["1d", "1 d"], ["all", "All"]];
const SLOW_MS = 24, SLOW_DRAWS = 5, CALM_MS = 2000, TABLE_MS = 1000;

interface Window { from: number; to: number }

/** What the chart shows, in a sentence. */
function summary(series: Series): string {
  const {answer, lines} = series;
  if (!answer || answer.messages === 0 || lines.every((line) => line.t.length === 0)) return "No numbers in this range yet.";
  const parts = lines.slice(0, 3).filter((line) => line.t.length > 0).map((line) => {
    const low = line.min.reduce((a, b) => Math.min(a, b)), high = line.max.reduce((a, b) => Math.max(a, b));
    return `${line.name} last ${compact(line.last.at(-1)!)} at ${clock(line.t.at(-1)!)}, between ${compact(low)} and ${compact(high)}`;
  });
  const more = lines.length > 3 ? `; ${plural(lines.length - 3, "more line")}` : "";
  return `${parts.join("; ")}${more}. ${plural(answer.messages, "message")} in steps of ${seconds(answer.step_ms / 1000)}.`;
}

export function LiveChart({stream, fields: wanted, by = null, range = "1m", onRange, title, keys}: LiveChartProps) {
  const fields = Array.isArray(wanted) ? wanted.join(",") : wanted;
  const [shown, show] = useState(range);
  const [window_, zoom] = useState<Window | null>(null);
  const [isPaused, pause] = useState(false);
  const [asTable, setAsTable] = useState(false);
  const [isOpen, setOpen] = useState(true);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [hidden, hide] = useState<ReadonlySet<string>>(new Set());
  const [isSlow, setSlow] = useState(false);
  const [tick, setTick] = useState(0);
  const {sketch, button} = useSketch();
  const box = useRef<HTMLDivElement>(null);
  const query = useMemo(() => {
    const asked = new URLSearchParams({field: fields});
    if (by) asked.set("by", by);
    if (keys) asked.set("keys", String(keys));
    if (window_) {
      asked.set("from", String(window_.from));
      asked.set("to", String(window_.to));
    } else if (shown !== "all") asked.set("last", shown);
    return asked.toString();
  }, [fields, by, keys, shown, window_]);
  const series = useMemo(() => new Series(), [stream, query]);
  useEffect(() => show(range), [range]);
  useEffect(() => hide(new Set()), [stream, fields, by]);

  /** What the drawing loop reads; it outlives renders. */
  const state = useRef({series, isPaused, hidden, sketch, isSlow, isDirty: true, wake: (): void => undefined});
  Object.assign(state.current, {series, isPaused, hidden, sketch, isSlow});
  useEffect(() => {
    state.current.isDirty = true;
    state.current.wake();
  }, [series, isPaused, hidden, sketch, isSlow, asTable]);

  useEffect(() => {
    setProblem(null);
    // A bucket is two to four pixels wide: at most three values in two columns.
    const points = Math.min(1500, Math.max(100, Math.round((box.current?.clientWidth || 1000) / 2)));
    const path = `/v1/streams/${inPath(stream)}/series?${query}&points=${points}`;
    let isOver = false;
    const stop = openSocket(() => path, (text) => {
      series.take(JSON.parse(text) as SeriesAnswer);
      setProblem(null);
      state.current.isDirty = true;
      state.current.wake();
    }, (open) => {
      setOpen(open);
      if (open || isOver) return;
      // Why a handshake was refused is only told to a plain request.
      api(path).catch((error: unknown) => !isOver && error instanceof Problem && error.slug !== "offline" && setProblem(error));
    });
    return () => {
      isOver = true;
      stop();
    };
  }, [stream, query, series]);

  useEffect(() => {
    const element = box.current;
    if (!element || asTable) return;
    let plot: Plot | null = null, frame = 0, isSeen = true, isOver = false, slowDraws = 0, drawn_ms = 0;
    let later: ReturnType<typeof setTimeout> | undefined;
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    const draw = (): void => {
      frame = 0;
      const now = state.current;
      if (isOver || !plot || !isSeen || !now.isDirty || !now.series.answer) return;
      const wait = now.sketch && calm.matches ? drawn_ms + CALM_MS - performance.now() : 0;
      if (wait > 0 && drawn_ms > 0) {
        later ??= setTimeout(() => {
          later = undefined;
          wake();
        }, wait);
        return;
      }
      const began = performance.now();
      now.isDirty = false;
      const {from, to} = now.series.answer;
      const names = now.series.lines.map((line) => line.name);
      plot.draw(now.series.aligned(), {names, hidden: now.hidden, hasBands: !now.isSlow && !now.sketch, sketch: now.sketch}, from, to);
      drawn_ms = performance.now();
      slowDraws = drawn_ms - began > SLOW_MS ? slowDraws + 1 : 0;
      if (slowDraws === SLOW_DRAWS) setSlow(true);
      element.dataset.draws = String(Number(element.dataset.draws ?? 0) + 1);
    };
    const wake = (): void => {
      if (!state.current.isPaused && !frame) frame = requestAnimationFrame(draw);
    };
    state.current.wake = wake;
    const sizes = new ResizeObserver(() => plot?.resize());
    const sight = new IntersectionObserver((entries) => {
      isSeen = entries.at(-1)?.isIntersecting ?? true;
      if (isSeen) wake();
    });
    const recolour = (): void => {
      state.current.isDirty = true;
      wake();
    };
    const themed = new MutationObserver(recolour), scheme = matchMedia("(prefers-color-scheme: dark)");
    void import("./plot").then((module) => {
      if (isOver) return;
      plot = new module.Plot(element, (from, to) => zoom({from, to: Math.max(to, from + 10)}));
      state.current.isDirty = true;
      wake();
      sizes.observe(element);
      sight.observe(element);
      scheme.addEventListener("change", recolour);
      themed.observe(document.documentElement, {attributes: true, attributeFilter: ["data-theme"]});
    });
    return () => {
      isOver = true;
      cancelAnimationFrame(frame);
      clearTimeout(later);
      sizes.disconnect();
      sight.disconnect();
      themed.disconnect();
      scheme.removeEventListener("change", recolour);
      plot?.done();
      state.current.wake = () => undefined;
    };
  }, [asTable]);

  // Words, legend and table follow once a second; the drawing does not wait for them.
  useEffect(() => {
    if (isPaused) return;
    let seen: SeriesAnswer | null = null;
    const look = (): void => {
      if (seen === series.answer || document.visibilityState !== "visible") return;
      seen = series.answer;
      setTick((n) => n + 1);
    };
    const timer = setInterval(look, TABLE_MS), soon = setInterval(() => {
      look();
      if (series.answer) clearInterval(soon);
    }, 50);
    return () => {
      clearInterval(timer);
      clearInterval(soon);
    };
  }, [series, isPaused]);

  const words = useMemo(() => summary(series), [series, tick]);
  const label = title ?? `${fields.replace(/,/g, ", ")}${by ? ` by ${by === "_key" ? "key" : by}` : ""}`;
  const isEmpty = series.answer !== null && series.lines.every((line) => line.t.length === 0);
  const half = (factor: number): void => {
    const now = series.answer;
    if (!now || now.from === null || now.to === null) return;
    const middle = (now.from + now.to) / 2, reach = Math.max(5, ((now.to - now.from) / 2) * factor);
    zoom({from: Math.floor(middle - reach), to: Math.ceil(middle + reach)});
  };
  return (
    <figure class="chart live-chart">
      <div class="bar apart">
        <figcaption>{label}</figcaption>
        <div class="bar">
          <div class="ranges" role="group" aria-label="Range">
            {RANGES.map(([value, name]) => (
              <button key={value} type="button" class="quiet" aria-pressed={!window_ && shown === value}
                onClick={() => {
                  zoom(null);
                  show(value);
                  onRange?.(value);
                }}>{name}</button>
            ))}
          </div>
          <button type="button" class="quiet" onClick={() => half(0.5)} disabled={!series.answer || isEmpty}>Zoom in</button>
          {window_ && <button type="button" class="quiet" onClick={() => half(2)}>Zoom out</button>}
          <button type="button" class="quiet" aria-pressed={isPaused} onClick={() => pause(!isPaused)}>Pause</button>
          <button type="button" class="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>Table</button>
          {button}
        </div>
      </div>
      {problem && <ProblemBox problem={problem} />}
      {!isOpen && !problem && <p class="note">The connection is lost. The chart goes on by itself when it is back.</p>}
      {window_ && (
        <p class="small soft">
          From {dateTime(window_.from)} to {dateTime(window_.to)}.{" "}
          <button type="button" class="quiet" onClick={() => zoom(null)}>Back to {RANGES.find(([value]) => value === shown)?.[1] ?? shown}</button>
        </p>
      )}
      {isSlow && (
        <p class="note">
          Drawing is slow on this machine: bands of least and greatest values are left out.{" "}
          <button type="button" class="quiet" onClick={() => setSlow(false)}>Draw them again</button>
        </p>
      )}
      {series.answer === null && !problem && <Loading what="Reading the stream" />}
      {isEmpty && <p class="soft">No numbers in this range yet.</p>}
      {asTable
        ? <SeriesTable label={label} series={series} />
        : <div ref={box} class="plot" role="img" aria-label={`${label}: ${words}`} hidden={isEmpty} />}
      {series.lines.length > 1 && <Legend names={series.lines.map((line) => line.name)} hidden={hidden} change={hide} />}
      <p class="small soft summary">{isPaused ? "Paused. " : ""}{isEmpty ? "" : words}{series.answer && series.answer.keys_left_out > 0
        ? ` ${count(series.answer.keys_left_out)} rarer ${series.answer.keys_left_out === 1 ? "key is" : "keys are"} left out.` : ""}</p>
    </figure>
  );
}
