/** HTML: tables and text stand in the page once they are harmless; whatever wants to act or be styled gets a frame. */
import {useLayoutEffect, useMemo, useRef} from "preact/hooks";
import {Frame} from "./frame";
import {sanitised} from "./sanitise";
import {useScrollable} from "./scrollable";

/** More than this is not looked into here. */
const LONGEST = 1_000_000;

export function Html({html}: {html: string}) {
  const clean = useMemo(() => (html.length > LONGEST ? null : sanitised(html)), [html]);
  if (!clean?.isPlain) return <Frame job={{kind: "html", html}} title="Output of this cell" isWaiting={html.length > LONGEST} size={html.length} />;
  return <Plain fragment={clean.fragment} />;
}

function Plain({fragment}: {fragment: DocumentFragment}) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => place.current?.replaceChildren(fragment.cloneNode(true)), [fragment]);
  useScrollable(place, "Table, scrollable");
  return <div class="out-html" ref={place} />;
}
