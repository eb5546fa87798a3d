/** Mathematics: KaTeX, fetched when the first formula is met. */
import style from "./katex.lazy.css";

const LONGEST = 20_000;
type Katex = typeof import("katex").default;
let loading: Promise<Katex> | null = null;

function katex(): Promise<Katex> {
  loading ??= (async () => {
    if (!document.querySelector(`link[href="${style}"]`)) {
      const link = document.createElement("link");
      link.rel = "stylesheet";
      link.href = style;
      document.head.append(link);
    }
    return (await import("katex")).default;
  })();
  return loading;
}

const options = {throwOnError: false, trust: false, strict: "ignore" as const, maxSize: 20, maxExpand: 1000, errorColor: "var(--bad)"};

/** Draws `tex` into `place`; what can't be drawn stays as its text. `isFor` export: MathML needs no style sheet and no fonts. */
export async function drawMath(place: HTMLElement, tex: string, isDisplay: boolean, isForExport = false): Promise<void> {
  if (tex.length > LONGEST) return;
  const library = await katex();
  const drawn = document.createElement("span");
  try {
    library.render(tex, drawn, {...options, displayMode: isDisplay, output: isForExport ? "mathml" : "htmlAndMathml"});
  } catch {
    return; // too deep for it: the text stays
  }
  place.replaceChildren(...drawn.childNodes);
}

/** Every formula that markdown.ts marked below `place`. */
export async function drawAllMath(place: ParentNode, isForExport = false): Promise<void> {
  const found = [...place.querySelectorAll<HTMLElement>("[data-tex]")];
  for (let at = 0; at < found.length; at++) {
    const element = found[at] as HTMLElement;
    await drawMath(element, element.dataset["tex"] ?? "", element.dataset["display"] !== undefined, isForExport);
    if (at % 50 === 49) await new Promise(requestAnimationFrame);
  }
}

/** A text/latex output: formulas between dollars, or one formula as a whole. */
export function formulaOf(latex: string): {tex: string; isDisplay: boolean} | null {
  const text = latex.trim();
  const found = /^\$\$([\s\S]*)\$\$$|^\\\[([\s\S]*)\\\]$|^\$(?!\$)([^$]*)\$$|^\\\(([\s\S]*)\\\)$/.exec(text);
  if (found) {
    const tex = found[1] ?? found[2] ?? found[3] ?? found[4] ?? "";
    return {tex, isDisplay: found[3] === undefined && found[4] === undefined};
  }
  return /^\\begin\{(?!tabular)/.test(text) ? {tex: text, isDisplay: true} : null;
}
