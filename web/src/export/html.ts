/** A notebook as one HTML file: no script in it, nothing fetched by it, the outputs sanitised as on the page. */
import {textOf, type Lines, type Output} from "../outputs/types";
import {make, markdown, staticOutput} from "./output";
import {style} from "./style";

export interface ExportedCell {
  cell_type: string;
  source: Lines;
  execution_count?: number | null;
  outputs?: Output[];
  attachments?: Record<string, Record<string, string>>;
}
export interface ExportedNotebook {
  cells: ExportedCell[];
  metadata?: Record<string, unknown>;
}
export interface ExportOptions {
  title?: string;
  isCodeShown?: boolean;
}

/** Nothing may run or be fetched even where a browser would let it. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

async function highlighted(source: string): Promise<Node> {
  const pre = make("pre", "code");
  try {
    const [{parser}, {classHighlighter, highlightCode}] = await Promise.all([import("@lezer/python"), import("@lezer/highlight")]);
    const put = (text: string, classes: string): void => pre.append(classes ? make("span", classes, text) : text);
    highlightCode(source, parser.parse(source), classHighlighter, put, () => pre.append("\n"));
  } catch {
    pre.textContent = source;
  }
  return pre;
}

async function cellNodes(cell: ExportedCell, isCodeShown: boolean): Promise<HTMLElement> {
  const place = make("section", "cell");
  const source = textOf(cell.source);
  if (cell.cell_type === "markdown") place.append(await markdown(source, cell.attachments));
  else if (cell.cell_type === "raw") place.append(make("pre", "", source));
  else {
    if (isCodeShown && source.trim()) {
      if (cell.execution_count) place.append(make("span", "count", `[${cell.execution_count}]`));
      place.append(await highlighted(source));
    }
    for (const output of cell.outputs ?? []) place.append(make("div", "output", await staticOutput(output)));
  }
  return place;
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);

export async function exportHtml(notebook: ExportedNotebook, options: ExportOptions = {}): Promise<Blob> {
  const said = notebook.metadata?.["title"];
  const title = options.title ?? (typeof said === "string" && said ? said : "Notebook");
  const parts: string[] = [`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}"><title>${escaped(title)}</title><style>${style}</style></head><body><main>
<h1>${escaped(title)}</h1>
`];
  for (const cell of notebook.cells) {
    const nodes = await cellNodes(cell, options.isCodeShown ?? true);
    if (nodes.childNodes.length > 0) parts.push(nodes.outerHTML, "\n");
  }
  parts.push(`</main><footer>Exported from Suricate on ${escaped(new Date().toISOString().slice(0, 16).replace("T", " "))} UTC.</footer></body></html>\n`);
  return new Blob(parts, {type: "text/html"});
}

/** Gives the file to the browser's downloads. */
export async function downloadHtml(notebook: ExportedNotebook, name: string, options: ExportOptions = {}): Promise<void> {
  const address = URL.createObjectURL(await exportHtml(notebook, {title: name, ...options}));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${(name.split("/").at(-1) ?? "notebook").replace(/\.ipynb$/, "")}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
