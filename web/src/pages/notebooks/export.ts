/** The notebook as a file. */
import type {NotebookDocument} from "./document";
import type {NbCell} from "./types";

/** As nbformat 4.5 has it, with what was typed here. */
export function asNotebook(doc: NotebookDocument): {nbformat: 4; nbformat_minor: 5; metadata: Record<string, unknown>; cells: NbCell[]} {
  return {nbformat: 4, nbformat_minor: 5, metadata: doc.metadata.peek(), cells: doc.order.peek().map((id) => doc.cell(id)!.asNb())};
}

const baseName = (name: string): string => (name.split("/").at(-1) ?? name).replace(/\.ipynb$/, "");

export function download(name: string, data: BlobPart, type: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data], {type}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The server's own file: saved first, so that it is what is on the page, byte for byte as nbformat writes it. */
export async function downloadNotebook(doc: NotebookDocument): Promise<void> {
  await doc.save();
  if (doc.problem.peek()) return;
  const link = document.createElement("a");
  link.href = doc.path.replace(/\/live$/, "");
  link.download = `${baseName(doc.name)}.ipynb`;
  link.click();
}

export async function downloadHtml(doc: NotebookDocument): Promise<void> {
  const {exportHtml} = await import("../../export/html");
  download(`${baseName(doc.name)}.html`, await exportHtml(asNotebook(doc), {title: baseName(doc.name), isCodeShown: true}), "text/html");
}
