/** Above the notebook, always in sight: what one does most, the kernel's state and memory, whether all is stored. */
import {useEffect, useRef} from "preact/hooks";
import {bytes, plural} from "../../text";
import {StateBadge, Time} from "../../ui";
import type {Desk} from "./desk";
import {downloadHtml, downloadNotebook} from "./export";
import type {Kernel} from "./types";

export function Toolbar({desk}: {desk: Desk}) {
  const kernel = desk.doc.kernel.value;
  const isBusy = kernel.state === "busy" || kernel.queue > 0;
  return (
    <div class="notebook-bar" role="toolbar" aria-label="Notebook">
      <button class="primary" title="Run the selected cell (Shift+Enter)" onClick={() => desk.run("next")}>▶ Run</button>
      <button title="Run every cell from the top" onClick={() => desk.runAll()}>Run all</button>
      <button title="Interrupt the kernel (i i)" disabled={!isBusy} onClick={() => void desk.doc.tellKernel("interrupt")}>■ Stop</button>
      <button title="Restart the kernel (0 0)" disabled={kernel.state === "none"} onClick={() => (desk.panel.value = "restart")}>↻ Restart</button>
      <button title="Read an object, follow a stream, save a model … (Ctrl+I)" onClick={() => (desk.panel.value = "snippets")}>Insert</button>
      <Menu desk={desk} />
      <span class="grow" />
      <div class="standing"><Stored desk={desk} /><Viewers desk={desk} /><KernelState kernel={kernel} /></div>
    </div>
  );
}

export function KernelState({kernel}: {kernel: Kernel}) {
  const name = kernel.state === "none" ? "no kernel" : kernel.state;
  const memory = kernel.memory_bytes === null ? "" : bytes(kernel.memory_bytes);
  const limit = kernel.memory_limit_bytes ? ` of ${bytes(kernel.memory_limit_bytes)}` : "";
  return (
    <span class="kernel" title={kernel.detail ?? (kernel.state === "none" ? "It starts with the first cell that runs" : `The kernel is ${name}`)}>
      <StateBadge state={name} />
      {kernel.queue > 0 && <span class="soft small">{plural(kernel.queue, "cell")} waiting</span>}
      {memory && (
        <span class="soft small number" title={`Memory of the kernel${limit}`}>
          <span class="sr">memory </span>{memory}{limit && <span class="limit">{limit}</span>}
        </span>
      )}
    </span>
  );
}

function Stored({desk}: {desk: Desk}) {
  const {doc} = desk;
  const sync = doc.sync.value;
  const text = sync === "waiting" ? "not stored yet" : !doc.isConnected.value ? "reconnecting …" : sync === "synced" ? null : "storing …";
  if (text) return <span class="soft small" title="What you typed is kept in this browser until the server has it">{text}</span>;
  return (
    <span class="soft small saved"
      title={doc.isUnsaved.value ? "On the server's disk; it becomes a version after half a minute of quiet" : `Version ${doc.version.value}`}>
      {doc.isUnsaved.value || !doc.savedAt.value ? "stored" : <>saved <Time at={doc.savedAt.value} /></>}
    </span>
  );
}

function Viewers({desk}: {desk: Desk}) {
  const count = desk.doc.viewers.value;
  return count > 1 ? <span class="tag" title="Tabs that have this notebook open">{count} viewers</span> : null;
}

function Menu({desk}: {desk: Desk}) {
  const isRunning = desk.doc.kernel.value.state !== "none";
  const element = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const away = (event: Event): void => {
      if (element.current?.open && !event.composedPath().includes(element.current)) element.current.open = false;
    };
    addEventListener("pointerdown", away);
    addEventListener("focusin", away);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("focusin", away);
    };
  }, []);
  const act = (what: () => void) => (): void => {
    if (element.current) element.current.open = false;
    what();
  };
  const panel = (name: typeof desk.panel.value) => act(() => (desk.panel.value = name));
  return (
    <details class="menu" ref={element} onKeyDown={(event) => {
      if (event.key !== "Escape" || !element.current?.open) return;
      event.preventDefault();
      element.current.open = false;
      element.current.querySelector("summary")?.focus();
    }}>
      <summary class="button">More</summary>
      <div class="items card">
        <button class="quiet" onClick={act(() => desk.runAbove())}>Run all above</button>
        <button class="quiet" onClick={act(() => desk.runBelow())}>Run this and all below</button>
        <button class="quiet" disabled={!isRunning} onClick={panel("restart-and-run")}>Restart and run all</button>
        <button class="quiet" onClick={panel("run")}>Run as a run …</button>
        <button class="quiet" onClick={act(() => void desk.doc.save().then(() => (desk.panel.value = "follow")))}>Follow this …</button>
        <button class="quiet" onClick={act(() => desk.doc.clear(null))}>Clear all outputs</button>
        <button class="quiet" disabled={!isRunning} onClick={act(() => void desk.doc.tellKernel("shutdown"))}>Shut down the kernel</button>
        <hr />
        <button class="quiet" onClick={panel("find")}>Find and replace</button>
        <button class="quiet" onClick={act(() => desk.undoRemoval())}>Undo deletion of cells</button>
        <button class="quiet" onClick={act(() => desk.split(desk.selected.value ?? "", caretOf(desk)))}>Split the cell at the caret</button>
        <button class="quiet" onClick={act(() => desk.merge())}>Merge with the next cell</button>
        <hr />
        <button class="quiet" onClick={act(() => void desk.doc.save())}>Save a version</button>
        <button class="quiet" onClick={act(() => void downloadNotebook(desk.doc))}>Download as .ipynb</button>
        <button class="quiet" onClick={act(() => void downloadHtml(desk.doc))}>Download as HTML</button>
        <button class="quiet" onClick={panel("publish")}>Publish as a dashboard …</button>
      </div>
    </details>
  );
}

function caretOf(desk: Desk): number {
  const id = desk.selected.peek() ?? "";
  return desk.editors?.hostOf(id)?.view.state.selection.main.head ?? desk.doc.cell(id)?.source.peek().length ?? 0;
}
