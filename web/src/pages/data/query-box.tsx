/** A question in SQL over the stream. */
import {useState} from "preact/hooks";
import {inPath, post, Problem} from "../../api/client";
import type {StreamInfo, Value} from "../../api/types";
import {ProblemBox, Table} from "../../ui";

interface Answer { columns: {name: string; kind: string}[]; rows: Value[][]; truncated: boolean }

const ROWS_SHOWN = 500;

export function QueryBox({stream}: {stream: StreamInfo}) {
  const key = stream.definition.key ?? stream.schema.fields.find((field) => field.kind === "text")?.name;
  const first = key
    ? `select "${key}", count(*) as n from "${stream.name}" group by "${key}" order by n desc`
    : `select count(*) as n from "${stream.name}"`;
  const [sql, write] = useState(first);
  const [answer, show] = useState<Answer | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const [isBusy, busy] = useState(false);
  const ask = (event: Event): void => {
    event.preventDefault();
    busy(true);
    fail(null);
    post<Answer>(`/v1/streams/${inPath(stream.name)}/query`, {sql}).then(show, fail).finally(() => busy(false));
  };
  return (
    <section class="section">
      <form class="section" onSubmit={ask}>
        <label class="field">Question in SQL
          <textarea rows={4} value={sql} spellcheck={false} onInput={(event) => write(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && ask(event)} />
        </label>
        <div class="bar"><button class="primary" disabled={isBusy}>{isBusy ? "Asking …" : "Ask"}</button><span class="hint">Ctrl Enter asks too</span></div>
      </form>
      {problem && <ProblemBox problem={problem} />}
      {answer && (
        <Table label="Answer" head={answer.columns.map((column) => (column.kind === "text" ? column.name : `${column.name}#`))}>
          {answer.rows.slice(0, ROWS_SHOWN).map((row, at) => (
            <tr key={at}>
              {row.map((value, index) => <td key={index} class={answer.columns[index]?.kind === "text" ? "" : "number"}>{String(value ?? "")}</td>)}
            </tr>
          ))}
        </Table>
      )}
      {answer && <p class="soft small">{answer.rows.length} rows{answer.truncated || answer.rows.length > ROWS_SHOWN ? ", not all of them are shown" : ""}</p>}
    </section>
  );
}
