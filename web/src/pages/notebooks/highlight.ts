/** Python in colours without an editor: spans of the same classes as the editor uses. */
import {classHighlighter, highlightTree} from "@lezer/highlight";
import {parser} from "@lezer/python";

const LONGEST = 100_000;

/** Puts `source` into `place`, coloured. */
export function highlight(place: HTMLElement, source: string): void {
  const parts = document.createDocumentFragment();
  let at = 0;
  if (source.length <= LONGEST) {
    highlightTree(parser.parse(source), classHighlighter, (from, to, classes) => {
      if (from > at) parts.append(source.slice(at, from));
      const span = document.createElement("span");
      span.className = classes;
      span.textContent = source.slice(from, to);
      parts.append(span);
      at = to;
    });
  }
  parts.append(source.slice(at));
  place.replaceChildren(parts);
}
