/** An exception: what it was, the lines of the notebook it came through, and the libraries' frames folded. */
import {useLayoutEffect, useRef} from "preact/hooks";
import {AnsiWriter, withoutAnsi} from "./ansi";
import type {ErrorOutput} from "./types";

/** Frames of the notebook itself, as IPython names them now and named them before. */
const OWN = /^\s*(Cell |Input )?In ?\[|<ipython-input-|^\s*File <string>|^\s*Cell /;
const MANY = 60;

function Frame({text, isOpen}: {text: string; isOpen: boolean}) {
  const place = useRef<HTMLPreElement>(null);
  useLayoutEffect(() => {
    place.current?.replaceChildren();
    if (place.current) new AnsiWriter().write(place.current, text.slice(0, 20_000));
  }, [text]);
  const first = withoutAnsi(text).trim().split("\n")[0]?.slice(0, 200) ?? "";
  return <details open={isOpen}><summary><code>{first}</code></summary><pre ref={place} /></details>;
}

export function ErrorView({output}: {output: ErrorOutput}) {
  const all = (Array.isArray(output.traceback) ? output.traceback : []).map(String);
  const plain = all.map(withoutAnsi);
  const isFrame = (text: string): boolean => /^\s*(File |Cell |Input |In ?\[|[/~.<])/.test(text) && text.includes("\n");
  const frames = all.filter((_, at) => isFrame(plain[at] ?? ""));
  const lastOwn = frames.findLastIndex((text) => OWN.test(withoutAnsi(text)));
  const rest = all.filter((_, at) => !isFrame(plain[at] ?? "") && !/Traceback \(most recent call last\)|^-+$/.test(plain[at] ?? ""));
  const said = withoutAnsi(`${output.ename}: ${output.evalue}`);
  const more = rest.filter((text) => withoutAnsi(text).trim() !== said.trim());
  return (
    <div class="out-error">
      <p>
        <strong>{withoutAnsi(String(output.ename)).slice(0, 300) || "Error"}</strong>
        {output.evalue ? `: ${withoutAnsi(String(output.evalue)).slice(0, 4000)}` : ""}
      </p>
      {frames.slice(0, MANY).map((text, at) => <Frame key={at} text={text} isOpen={at === lastOwn} />)}
      {frames.length > MANY && <p class="small soft">{frames.length - MANY} more frames</p>}
      {more.length > 0 && <Frame text={more.join("\n")} isOpen={frames.length === 0} />}
    </div>
  );
}
