/** Two people changed one cell: both versions side by side, and the choice. */
import type {Cell, Theirs} from "./cell-model";
import type {Desk} from "./desk";

export function Conflict({cell, desk, theirs}: {cell: Cell; desk: Desk; theirs: Theirs}) {
  const mine = cell.source.value;
  const isGone = theirs.source === null;
  return (
    <div class="conflict" role="group" aria-label="Two versions of this cell">
      <p>
        <b>{isGone ? "Somebody deleted this cell while you changed it." : "Somebody else changed this cell while you did."}</b>{" "}
        Nothing is lost: choose what stays.
      </p>
      {!isGone && (
        <div class="versions">
          <Version title="Yours" text={mine} other={theirs.source ?? ""} />
          <Version title="Theirs" text={theirs.source ?? ""} other={mine} />
        </div>
      )}
      <div class="bar">
        <button class="primary" onClick={() => desk.doc.resolve(cell.id, "mine")}>Keep mine</button>
        <button onClick={() => desk.doc.resolve(cell.id, "theirs")}>{isGone ? "Let it go" : "Take theirs"}</button>
        {!isGone && <button onClick={() => desk.doc.resolve(cell.id, "both")}>Keep both</button>}
      </div>
    </div>
  );
}

/** The text with the lines that differ marked. */
function Version({title, text, other}: {title: string; text: string; other: string}) {
  const lines = text.split("\n");
  const theirs = other.split("\n");
  let start = 0;
  while (start < lines.length && lines[start] === theirs[start]) start++;
  let end = 0;
  while (end < lines.length - start && end < theirs.length - start && lines.at(-1 - end) === theirs.at(-1 - end)) end++;
  const part = (from: number, to: number): string => lines.slice(from, to).map((line) => `${line}\n`).join("");
  return (
    <section>
      <b>{title}</b>
      <pre tabIndex={0}>{part(0, start)}<mark>{part(start, lines.length - end)}</mark>{part(lines.length - end, lines.length)}</pre>
    </section>
  );
}
