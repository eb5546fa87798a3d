/** The first rows of a table, its columns typed, how their values spread above them. */
import type {Preview, Value} from "../../api/types";
import {Histogram} from "../../charts";

export function PreviewTable({preview}: {preview: Preview}) {
  return (
    <div class="card table preview" role="region" aria-label="First rows" tabIndex={0}>
      <table>
        <thead>
          <tr>
            {preview.columns.map((column, at) => (
              <th key={column.name} scope="col" class={isNumber(column.type) ? "number" : ""}>
                {column.name}<small class="soft">{column.type}</small>
                <Histogram column={column} sample={preview.sample.map((row) => row[at])} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {preview.sample.map((row, index) => (
            <tr key={index}>{preview.columns.map((column, at) => <Cell key={column.name} value={row[at] ?? null} type={column.type} />)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export const isNumber = (type: string): boolean => type === "integer" || type === "float" || type === "number";

function Cell({value, type}: {value: Value; type: string}) {
  if (value === null) return <td class={`none ${isNumber(type) ? "number" : ""}`}>none</td>;
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return <td class={isNumber(type) ? "number" : ""} title={text.length > 40 ? text : undefined}>{text}</td>;
}
