/** The parameters cell as a form: each line `name: type = value  # help` is a field; a change rewrites the line. */
import type {Cell} from "./cell-model";
import type {Desk} from "./desk";

interface Line {
  at: number;
  name: string;
  before: string;
  value: string;
  after: string;
  kind: "text" | "number" | "check" | "other";
  help: string;
}

const LINE = /^(([A-Za-z_]\w*)\s*(?::\s*([^=#]+?))?\s*=(?!=)\s*)(.*)$/;

export function parametersOf(source: string): Line[] {
  return source.split("\n").flatMap((line, at) => {
    const found = LINE.exec(line);
    if (!found) return [];
    const [, before, name, , rest] = found as unknown as [string, string, string, string, string];
    const value = /^\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^#]*?)(\s*(?:#.*)?)$/.exec(rest);
    if (!value) return [];
    const text = value[1]!.trim();
    const kind = kindOf(text);
    const help = value[2]!.replace(/^\s*#\s*/, "").replace(/^type:\s*\S+\s*/, "");
    return [{at, name, before, value: kind === "text" ? text.slice(1, -1) : text, after: value[2]!, kind, help}];
  });
}

function kindOf(text: string): Line["kind"] {
  if (/^(True|False)$/.test(text)) return "check";
  if (/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return "number";
  return /^(["'])([^"'\\]*)\1$/.test(text) ? "text" : "other";
}

const written = (line: Line, value: string): string =>
  line.kind === "text" ? `"${value.replace(/\\/g, "\\\\").replace(/"/g, '\\"')}"` : value;

export function ParameterForm({cell, desk}: {cell: Cell; desk: Desk}) {
  const lines = parametersOf(cell.source.value);
  if (lines.length === 0) {
    return <p class="soft small parameters">Each line <code>name = value  # what it is</code> becomes a field, here and of every run.</p>;
  }
  const set = (line: Line, value: string): void => {
    const all = cell.source.peek().split("\n");
    all[line.at] = line.before + written(line, value) + line.after;
    desk.doc.type(cell.id, all.join("\n"));
  };
  return (
    <div class="parameters" role="group" aria-label="Parameters">
      {lines.map((line) => {
        const id = `parameter-${cell.id}-${line.name}`;
        return (
          <div class="field" key={line.name}>
            <label for={id}>{line.name}</label>
            {line.kind === "check"
              ? <input id={id} type="checkbox" checked={line.value === "True"}
                  onChange={(event) => set(line, event.currentTarget.checked ? "True" : "False")} />
              : <input id={id} type={(line.kind === "number" ? "number" : "text") as "text"} step="any" value={line.value}
                  readOnly={line.kind === "other"}
                  aria-describedby={line.help ? `${id}-help` : undefined}
                  onChange={(event) => (line.kind !== "number" || event.currentTarget.value !== "") && set(line, event.currentTarget.value)} />}
            {line.help && <span class="hint" id={`${id}-help`}>{line.help}</span>}
          </div>
        );
      })}
    </div>
  );
}
