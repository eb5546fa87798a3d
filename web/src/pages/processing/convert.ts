/**
 * Makes a notebook that follows a stream of one that looks at a stretch of it: pure, text in, text out.
 *
 * The statement that reads the frame (`x = s.window("…", last=…)` or `x = s.read("…")`) becomes the head of a loop over
 * windows; every later statement that uses the frame, or what was made of it, moves into the loop's body. What does not
 * (imports, functions, constants) stays in front of it.
 */

export interface NotebookCell {
  id: string;
  cell_type: string;
  source: string | string[];
  metadata: Record<string, unknown>;
  [more: string]: unknown;
}
export interface Notebook {
  nbformat: number;
  nbformat_minor: number;
  metadata: Record<string, unknown>;
  cells: NotebookCell[];
}

export interface Reading {
  /** The frame's name, and the call that made it. */
  frame: string;
  call: "window" | "read";
  module: string;
  /** The first argument as it is written: a text or an expression. */
  source: string;
  last: string | null;
  /** What is done to the frame at once: `.dropna()`. */
  rest: string;
}

export interface Converted {
  reading: Reading;
  /** What stays in front of the loop, cell by cell, and the loop. */
  cells: NotebookCell[];
  loop: string;
}

export interface Wanted {
  /** A Python expression: a name in quotes, or a parameter. */
  stream: string;
  every: string;
  fromEarliest: boolean;
}

const READ = /^(\w+)\s*=\s*(s|suricate)\.(window|read)\(\s*((?:"[^"]*"|'[^']*'|[\w.]+))\s*(?:,\s*([^)]*))?\)(.*)$/s;
const WORD = /[A-Za-z_]\w*/g;

const textOf = (source: string | string[]): string => (Array.isArray(source) ? source.join("") : source);

/** The top-level statements of a cell: a line at the margin begins one, unless it goes on with the one before. */
export function statements(code: string): string[] {
  const found: string[] = [];
  let depth = 0, quotes: string | null = null, goesOn = false, isDecorated = false;
  for (const line of code.split("\n")) {
    const atMargin = /^\S/.test(line) && !/^(\)|\]|\}|elif\b|else\b|except\b|finally\b)/.test(line);
    const begins = depth === 0 && quotes === null && !goesOn && !isDecorated && atMargin;
    if (begins || found.length === 0) found.push(line);
    else found[found.length - 1] += `\n${line}`;
    isDecorated = depth === 0 && quotes === null && line.startsWith("@");
    ({depth, quotes} = after(line, depth, quotes));
    goesOn = quotes === null && /\\\s*$/.test(line);
  }
  return found.map((statement) => statement.replace(/\s+$/, "")).filter((statement) => statement !== "");
}

/** Brackets and quotes that are open behind a line. */
function after(line: string, depth: number, quotes: string | null): {depth: number; quotes: string | null} {
  for (let at = 0; at < line.length; at++) {
    const three = line.slice(at, at + 3), one = line[at] ?? "";
    if (quotes !== null) {
      if (one === "\\") at++;
      else if (line.startsWith(quotes, at)) {
        at += quotes.length - 1;
        quotes = null;
      }
    } else if (three === '"""' || three === "'''") {
      quotes = three;
      at += 2;
    } else if (one === '"' || one === "'") quotes = one;
    else if (one === "#") break;
    else if ("([{".includes(one)) depth++;
    else if (")]}".includes(one)) depth--;
  }
  return {depth: Math.max(0, depth), quotes: quotes !== null && quotes.length === 3 ? quotes : null};
}

/** Names that a statement speaks of; texts in quotes count when they are f-strings, comments do not. */
export function namesIn(statement: string): Set<string> {
  const bare = statement.replace(/#.*$/gm, "").replace(/(\b[fF][rR]?|\b[rRbB]{1,2})?("""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/g,
    (whole, prefix: string | undefined) => (prefix && /f/i.test(prefix) ? whole : "''"));
  return new Set(bare.match(WORD) ?? []);
}

/** Names that a statement gives a value to at the margin. */
export function namesMade(statement: string): string[] {
  const found: string[] = [];
  for (const line of statement.split("\n")) {
    const assigned = /^\s*([\w\s,.()[\]"'*]+?)\s*(?::[^=]+)?(?:[-+*/|&]|\/\/|\*\*)?=(?!=)/.exec(line);
    if (assigned) found.push(...(assigned[1] ?? "").split(",").map((name) => /^[\s(*]*([A-Za-z_]\w*)/.exec(name)?.[1] ?? "").filter(Boolean));
    const bound = /^\s*(?:for|with|def|class|async def)\s+(?:.*\bas\s+)?(\w+)/.exec(line);
    if (bound?.[1]) found.push(bound[1]);
  }
  return found;
}

const isImport = (statement: string): boolean => /^(import|from)\s/.test(statement);
const isPicture = (statement: string): boolean => /\b(plt\.show|s\.show|suricate\.show|display)\(/.test(statement);

/** A last line that stands for itself is shown by a notebook; in a loop somebody has to say so. */
function shown(statement: string): string {
  if (/\n/.test(statement.trim()) && !/^[\w.]+[([]/.test(statement)) return statement;
  const isExpression = /^[A-Za-z_][\w.]*([([][\s\S]*)?$/.test(statement) && namesMade(statement).length === 0;
  const isKeyword = /^(pass|raise|return|break|continue|del|assert|global|if|for|while|with|try|def|class|import|from|async|match)\b/.test(statement);
  const isCall = /^(print|display|s\.|suricate\.|plt\.|[\w.]*(?:axes?|figure|fig|ax)\.)/.test(statement);
  return isExpression && !isKeyword && !isCall && !statement.endsWith(";") ? `display(${statement})` : statement;
}

export function readingOf(statement: string): Reading | null {
  const found = READ.exec(statement);
  if (!found) return null;
  const last = /\blast\s*=\s*["']([^"']+)["']/.exec(found[5] ?? "")?.[1] ?? null;
  return {frame: found[1] ?? "", module: found[2] ?? "s", call: found[3] as Reading["call"], source: found[4] ?? "", last, rest: (found[6] ?? "").trim()};
}

/** The first reading of the notebook, or null. */
export function findReading(notebook: Notebook): Reading | null {
  for (const cell of notebook.cells) {
    if (cell.cell_type !== "code") continue;
    for (const statement of statements(textOf(cell.source))) {
      const reading = readingOf(statement);
      if (reading) return reading;
    }
  }
  return null;
}

interface Sorting {
  reading: Reading | null;
  uses: Set<string>;
  inside: string[];
}

/** Takes out of a cell's code what belongs into the loop; what is left stays. */
function sort(code: string, sorting: Sorting): string {
  const outside: string[] = [];
  const all = statements(code);
  all.forEach((statement, at) => {
    const reading = sorting.reading ? null : readingOf(statement);
    if (reading) {
      sorting.reading = reading;
      sorting.uses.add(reading.frame);
      return;
    }
    const isUsing = sorting.reading && !isImport(statement) && [...namesIn(statement)].some((name) => sorting.uses.has(name));
    if (!isUsing) {
      outside.push(statement);
      return;
    }
    for (const name of namesMade(statement)) sorting.uses.add(name);
    sorting.inside.push(at === all.length - 1 ? shown(statement) : statement);
  });
  return outside.join("\n");
}

const indented = (text: string): string => text.split("\n").map((line) => (line ? `    ${line}` : "")).join("\n");

function loopOf(sorting: Sorting, wanted: Wanted): string {
  const reading = sorting.reading as Reading;
  const isDrawing = sorting.inside.some((statement) => /\bplt\.|\.plot\(|subplots\(/.test(statement));
  const body = [...sorting.inside];
  if (isDrawing && !body.some(isPicture)) body.push("plt.show()");
  const from = wanted.fromEarliest ? ', from_="earliest"' : "";
  return [
    "from IPython.display import clear_output, display", "",
    `for window in ${reading.module}.follow(${wanted.stream}, every="${wanted.every}"${from}):`,
    "    clear_output(wait=True)  # what comes next takes the place of the last window's outputs",
    `    ${reading.frame} = window.frame${reading.rest}`,
    ...body.map(indented),
  ].join("\n");
}

/** null: nothing in it reads a frame that could come window by window. */
export function convert(notebook: Notebook, wanted: Wanted): Converted | null {
  const sorting: Sorting = {reading: null, uses: new Set(), inside: []};
  const cells: NotebookCell[] = [];
  for (const cell of notebook.cells) {
    if (cell.cell_type !== "code") {
      cells.push(cell);
      continue;
    }
    const left = sort(textOf(cell.source), sorting);
    if (left.trim() || !textOf(cell.source).trim()) cells.push({...cell, source: left, outputs: [], execution_count: null});
  }
  if (!sorting.reading) return null;
  return {reading: sorting.reading, cells, loop: loopOf(sorting, wanted)};
}

export function assembled(notebook: Notebook, converted: Converted, loop: string): Notebook {
  const cell: NotebookCell = {id: `follow-${Math.random().toString(36).slice(2, 10)}`, cell_type: "code", metadata: {}, source: loop, outputs: [],
    execution_count: null};
  return {...notebook, cells: [...converted.cells, cell]};
}

/** All code of a notebook as one text, for a diff. */
export function codeOf(cells: NotebookCell[]): string {
  return cells.filter((cell) => cell.cell_type === "code").map((cell) => textOf(cell.source).trimEnd()).filter(Boolean).join("\n\n");
}
