/** The selected cell's buttons. */
import type {Cell} from "./cell-model";
import type {Desk} from "./desk";
import {tagsOf, type CellType} from "./types";

export function CellTools({cell, desk}: {cell: Cell; desk: Desk}) {
  const isCode = cell.type.value === "code";
  const isParameters = tagsOf(cell.metadata.value).includes("parameters");
  return (
    <div class="cell-tools" role="toolbar" aria-label="Cell">
      {isCode && <Tool what="Run the cell (Ctrl+Enter)" text="▶" act={() => desk.run("stay")} />}
      <select aria-label="Kind of cell" value={cell.type.value} onChange={(event) => desk.retype(event.currentTarget.value as CellType)}>
        <option value="code">Code</option><option value="markdown">Text</option><option value="raw">Raw</option>
      </select>
      {!isCode && <Tool what="Edit the cell (Enter)" text="✎" act={() => desk.edit(cell.id)} />}
      <Tool what="Move up (Alt+↑)" text="↑" act={() => desk.move(-1)} />
      <Tool what="Move down (Alt+↓)" text="↓" act={() => desk.move(1)} />
      <Tool what="Insert a cell below (b)" text="+" act={() => void desk.insert("below")} />
      {isCode && <Tool what="Parameters cell (t)" text="P" act={() => desk.toggle("parameters")} isOn={isParameters} />}
      <Tool what="Delete the cell (d d)" text="✕" act={() => desk.remove()} />
    </div>
  );
}

function Tool({what, text, act, isOn}: {what: string; text: string; act: () => void; isOn?: boolean}) {
  return <button class="quiet" title={what} aria-label={what} aria-pressed={isOn} onMouseDown={(event) => event.preventDefault()} onClick={act}>{text}</button>;
}
