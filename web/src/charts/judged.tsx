/** What a watch sees of one key, drawn; the owner gives data and levels and is told of ranges and moved levels. */
import {useEffect, useRef} from "preact/hooks";
import type {Level} from "../api/acting";
import type {Judged, JudgedLook, JudgedPlot} from "./judged-plot";
import {onTheme} from "./theme";
import "./charts.css";
import "./live.css";
import "./judged.css";

export type {Judged, JudgedLook, LevelLine, Mark} from "./judged-plot";

export function JudgedChart({
  label,
  data,
  look,
  select,
  move,
}: {
  label: string;
  data: Judged;
  look: JudgedLook;
  select: (from_ms: number, to_ms: number) => void;
  move: ((level: Level, enter: number) => void) | null;
}) {
  const value = useRef<HTMLDivElement>(null);
  const score = useRef<HTMLDivElement>(null);
  const state = useRef<{plot: JudgedPlot | null; draw: () => void}>({plot: null, draw: () => undefined});
  state.current.draw = () => {
    const {plot} = state.current;
    if (!plot) return;
    plot.events = {select, move};
    plot.draw(data, look);
    if (value.current) value.current.dataset.points = String(data.x.length);
  };
  useEffect(() => {
    let isOver = false;
    const sizes = new ResizeObserver(() => state.current.plot?.resize());
    void import("./judged-plot").then((module) => {
      if (isOver || !value.current || !score.current) return;
      state.current.plot = new module.JudgedPlot(value.current, score.current, {select, move});
      state.current.draw();
      sizes.observe(value.current);
    });
    const stop = onTheme(() => state.current.draw());
    return () => {
      isOver = true;
      stop();
      sizes.disconnect();
      state.current.plot?.done();
      state.current.plot = null;
    };
  }, []);
  useEffect(() => state.current.draw(), [data, look, move !== null]);
  return (
    <div class="judged">
      <div ref={value} class="judged-value" role="group" aria-label={label} />
      <div ref={score} class="judged-score" role="group" aria-label="Score and levels" />
    </div>
  );
}
