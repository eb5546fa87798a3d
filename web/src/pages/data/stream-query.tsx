/** A question in SQL, and its answer as a table. */
import {useEffect, useState} from "preact/hooks";
import {post, Problem} from "../../api/client";
import {plural, seconds} from "../../text";
import {announce, ProblemBox} from "../../ui";
import {streamPath, type StreamInfo} from "./stream-model";

interface Answer { columns: {name: string; kind: string}[]; rows: (string | number | null)[][]; truncated: boolean }
const RANGES: [string, string][] = [["60s", "the last minute"], ["10m", "the last 10 minutes"], ["1h", "the last hour"],
  ["1d", "the last day"], ["", "all of it"]];
const EACH = 200;

function first(info: StreamInfo): string {
  const table = `"${info.name.replace(/"/g, '""')}"`;
  const key = info.definition.key;
  const group = key ? `"${key.replace(/"/g, '""')}"` : null;
  return group ? `select ${group}, count(*) as messages\nfrom ${table}\ngroup by ${group}\norder by messages desc`
    : `select * from ${table}\norder by _offset desc\nlimit 100`;
}

export function Query({info}: {info: StreamInfo}) {
  const [sql, write] = useState(() => first(info));
  const [last, within] = useState("1h");
  const [answer, tell] = useState<(Answer & {took_s: number}) | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const ask = async (): Promise<void> => {
    const began = performance.now();
    busy(true);
    fail(null);
    try {
      const found = await post<Answer>(`${streamPath(info.name)}/query`, {sql, ...(last && {last})});
      tell({...found, took_s: (performance.now() - began) / 1000});
      announce(`${plural(found.rows.length, "row")}`);
    } catch (error) {
      fail(error as Problem);
    }
    busy(false);
  };
  return (
    <section class="section">
      <form class="section" onSubmit={(event) => (event.preventDefault(), void ask())}>
        <label class="field">A question in SQL
          <textarea rows={5} spellcheck={false} value={sql} onInput={(event) => write(event.currentTarget.value)}
            aria-invalid={problem ? "true" : undefined}
            onKeyDown={(event) => {
              if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
                event.preventDefault();
                void ask();
              }
            }} />
        </label>
        <div class="bar">
          <button class="primary" disabled={isBusy}>{isBusy ? "Asking …" : "Ask"}</button>
          <label class="check">over <select value={last} onChange={(event) => within(event.currentTarget.value)}>
            {RANGES.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
          </select></label>
          <span class="hint">Ctrl+Enter asks. Fields are columns; <code>_time</code>, <code>_key</code>, <code>_offset</code> are there too.</span>
        </div>
      </form>
      {problem && <ProblemBox problem={problem} />}
      {answer && <Answered answer={answer} />}
    </section>
  );
}

function Answered({answer}: {answer: Answer & {took_s: number}}) {
  const [shown, more] = useState(EACH);
  useEffect(() => more(EACH), [answer]);
  return (
    <>
      <div class="bar apart">
        <span class="soft small">{plural(answer.rows.length, "row")} in {seconds(answer.took_s)}{answer.truncated && "; further rows were left out"}</span>
        <AsCsv answer={answer} />
      </div>
      {answer.rows.length > 0 && (
        <div class="card table preview" role="region" aria-label="Answer" tabIndex={0}>
          <table>
            <thead><tr>{answer.columns.map((one, index) => <th key={index} scope="col"
              class={one.kind === "int" || one.kind === "float" ? "number" : ""}>{one.name}</th>)}</tr></thead>
            <tbody>{answer.rows.slice(0, shown).map((row, index) => (
              <tr key={index}>{row.map((value, column) => (
                <td key={column} class={value === null ? "none" : typeof value === "number" ? "number" : ""}
                  title={typeof value === "string" && value.length > 40 ? value.slice(0, 2000) : undefined}>
                  {value === null ? "none" : typeof value === "string" ? value.slice(0, 500) : String(value)}
                </td>))}
              </tr>))}
            </tbody>
          </table>
        </div>
      )}
      {answer.rows.length > shown && <div><button onClick={() => more(shown + EACH)}>Show more</button></div>}
    </>
  );
}

const quoted = (value: unknown): string => (value === null ? "" : /[",\n\r]/.test(String(value)) ? `"${String(value).replace(/"/g, '""')}"` : String(value));

function AsCsv({answer}: {answer: Answer}) {
  const save = (): void => {
    const lines = [answer.columns.map((one) => one.name), ...answer.rows].map((row) => row.map(quoted).join(","));
    const address = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], {type: "text/csv"}));
    const made = document.createElement("a");
    made.href = address;
    made.download = "answer.csv";
    made.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  return <button class="quiet" onClick={save}>Save as CSV</button>;
}
