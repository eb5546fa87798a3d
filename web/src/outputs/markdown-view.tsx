/** Markdown with mathematics; formulas appear as soon as their library is there. */
import {useLayoutEffect, useMemo, useRef} from "preact/hooks";
import {drawAllMath, drawMath, formulaOf} from "./math";
import {markdownFragment} from "./markdown";
import type {Attachments} from "./sanitise";
import {Text} from "./text-view";
import {textOf, type Lines} from "./types";
import {useScrollable} from "./scrollable";

export function Markdown({source, attachments}: {source: Lines; attachments?: Attachments}) {
  const place = useRef<HTMLDivElement>(null);
  const text = textOf(source);
  useLayoutEffect(() => {
    if (!place.current) return;
    place.current.replaceChildren(markdownFragment(text, attachments));
    if (place.current.querySelector("[data-tex]")) void drawAllMath(place.current);
  }, [text, attachments]);
  useScrollable(place);
  return <div class="out-markdown" ref={place} />;
}

export function Latex({source}: {source: string}) {
  const place = useRef<HTMLDivElement>(null);
  const formula = useMemo(() => formulaOf(source), [source]);
  useLayoutEffect(() => {
    if (!formula || !place.current) return;
    place.current.textContent = formula.tex;
    void drawMath(place.current, formula.tex, formula.isDisplay);
  }, [formula]);
  useScrollable(place);
  if (!formula) return source.includes("\\begin{tabular") ? <Text text={source} /> : <Markdown source={source} />;
  return <div class="out-latex" ref={place} />;
}
