/** The SDK's calls, one keystroke away: choose what, choose of which, and it stands in the notebook. */
import {useEffect, useRef, useState} from "preact/hooks";
import type {List} from "../../api/client";
import {useResource} from "../../resource";
import {Dialog} from "../../ui";
import type {Desk} from "./desk";

interface Snippet {
  what: string;
  about: string;
  /** Where names to choose from come from; null: needs none. */
  list: string | null;
  tag?: string;
  code: (name: string) => string;
}

const quoted = (name: string): string => JSON.stringify(name);
const variable = (name: string): string => {
  const base = (name.split("/").at(-1) ?? "").replace(/\.[^.]*$/, "").replace(/\W+/g, "_").replace(/^(\d)/, "_$1").toLowerCase();
  return base === "" || base === "_" ? "data" : base;
};

export const SNIPPETS: Snippet[] = [
  {what: "Read an object", about: "as a table, a value or text", list: "/v1/objects",
    code: (name) => `${variable(name)} = s.read(${quoted(name)})\n${variable(name)}`},
  {what: "Follow a stream", about: "window by window", list: "/v1/streams",
    code: (name) => [`for window in s.follow(${quoted(name)}, every="10s", name=${quoted(`${variable(name)}-follower`)}):`,
      "    data = window.frame", "    print(window.start, len(data))"].join("\n")},
  {what: "Read a range of a stream", about: "the last minute as a table", list: "/v1/streams",
    code: (name) => `recent = s.window(${quoted(name)}, last="60s")\nrecent`},
  {what: "Question over a stream", about: "SQL", list: "/v1/streams",
    code: (name) => `s.sql(${quoted(`select count(*) as messages from "${name.replace(/"/g, '""')}"`)}, last="1h")`},
  {what: "Chart", about: "of a table, with matplotlib", list: null,
    code: () => "import matplotlib.pyplot as plt\n\ndata.plot(figsize=(8, 4))\nplt.tight_layout()\ns.show()"},
  {what: "Save a model", about: "a value or a scikit-learn estimator", list: null, code: () => 's.save_model("models/NAME", model, metadata={})'},
  {what: "Load a model", about: "that was saved", list: "/v1/objects", tag: "model", code: (name) => `model = s.load_model(${quoted(name)})`},
  {what: "Write an object", about: "a table, a value, a file", list: null, code: () => 's.write("NAME.csv", data, tags=[])'},
  {what: "Push to a stream", about: "rows or messages", list: "/v1/streams", code: (name) => `s.push(${quoted(name)}, [{"value": 1.0}])`},
  {what: "Show progress", about: "of something long", list: null, code: () => 's.progress(0.5, "half of it")'},
  {what: "The run's result", about: "as JSON", list: null, code: () => "s.result({})"},
  {what: "Fetch a file", about: "the server downloads it", list: null, code: () => 's.fetch("https://example.org/data.csv", "data.csv")'},
];

export function Snippets({desk}: {desk: Desk}) {
  const [snippet, choose] = useState<Snippet | null>(null);
  const [text, type] = useState("");
  const close = (): void => void (desk.panel.value = null);
  const insert = (code: string): void => {
    close();
    put(desk, code);
  };
  const wanted = text.toLowerCase();
  const found = SNIPPETS.filter((one) => `${one.what} ${one.about}`.toLowerCase().includes(wanted));
  const pick = (one: Snippet): void => {
    if (one.list === null) insert(one.code(""));
    else {
      type("");
      choose(one);
    }
  };
  return (
    <Dialog title={snippet ? snippet.what : "Insert"} close={close}>
      {snippet
        ? <Names key={snippet.what} snippet={snippet} take={(name) => insert(snippet.code(name))} />
        : <form class="palette" onSubmit={(event) => (event.preventDefault(), found[0] && pick(found[0]))}>
            <input aria-label="What to insert" placeholder="Read, follow, chart …" autofocus value={text}
              onInput={(event) => type(event.currentTarget.value)} />
            <ul class="choices">
              {found.map((one) => (
                <li key={one.what}>
                  <button type="button" class="quiet" onClick={() => pick(one)}><span>{one.what}</span><span class="soft small">{one.about}</span></button>
                </li>
              ))}
            </ul>
          </form>}
    </Dialog>
  );
}

function Names({snippet, take}: {snippet: Snippet; take: (name: string) => void}) {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const [text, type] = useState("");
  const wanted = new URLSearchParams({limit: "50", ...(text && {q: text}), ...(snippet.tag && {tag: snippet.tag})});
  const list = useResource<List<{name: string}>>(`${snippet.list}?${wanted.toString()}`);
  const names = (list.data?.items ?? []).map(({name}) => name).filter((name) => name.toLowerCase().includes(text.toLowerCase()));
  return (
    <form class="palette" onSubmit={(event) => (event.preventDefault(), take(names[0] ?? (text || "NAME")))}>
      <input ref={field} aria-label="Of which" placeholder="Name" value={text} onInput={(event) => type(event.currentTarget.value)} />
      <ul class="choices">
        {names.map((name) => (
          <li key={name}><button type="button" class="quiet" onClick={() => take(name)}><span class="cut">{name}</span></button></li>
        ))}
        {list.data && names.length === 0 && <li class="soft small">Nothing by that name. Enter inserts it as it is typed.</li>}
      </ul>
    </form>
  );
}

/** At the caret of the cell being edited, into an empty cell, or as a new one; `import suricate as s` where the notebook lacks it. */
function put(desk: Desk, code: string): void {
  const isImported = desk.order.some((id) => /^\s*import suricate as s\b/m.test(desk.doc.cell(id)!.source.peek()));
  const whole = isImported ? code : `import suricate as s\n\n${code}`;
  const cell = desk.cell();
  const host = cell ? desk.editors?.hostOf(cell.id) : undefined;
  if (cell?.type.peek() === "code" && desk.mode.peek() === "edit" && host && cell.source.peek().trim() !== "") {
    const {from, to} = host.view.state.selection.main;
    host.view.dispatch({changes: {from, to, insert: whole}, selection: {anchor: from + whole.length}});
    setTimeout(() => desk.edit(cell.id), 0);
  } else if (cell?.type.peek() === "code" && cell.source.peek().trim() === "") {
    desk.doc.type(cell.id, whole);
    setTimeout(() => desk.edit(cell.id, "end"), 0);
  } else {
    const id = desk.insert("below", "code", whole);
    setTimeout(() => desk.edit(id, "end"), 30);
  }
}
