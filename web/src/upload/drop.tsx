/** Files come by dropping them anywhere, by pasting, or by a button; what is under way is shown in a corner. */
import {useEffect, useRef, useState} from "preact/hooks";
import type {ComponentChildren} from "preact";
import {address} from "../router";
import {may} from "../api/session";
import {isTyping} from "../shell/keys";
import {bytes, plural} from "../text";
import {Progress} from "../ui";
import {again, cancel, dismissFinished, forgetDone, upload, uploads, type Upload} from "./queue";
import {tableEnding} from "./table-text";
import "./upload.css";

const hasFiles = (event: DragEvent): boolean => Array.from(event.dataTransfer?.types ?? []).includes("Files");

/** The files of a drop; those of folders with their paths. */
async function filesOf(transfer: DataTransfer): Promise<File[]> {
  const entries = Array.from(transfer.items).map((item) => item.webkitGetAsEntry?.() ?? null);
  const plain = Array.from(transfer.files);
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const found: File[] = [];
  const walk = async (entry: FileSystemEntry): Promise<void> => {
    if (entry.isFile) {
      const file = await new Promise<File>((resolve, fail) => (entry as FileSystemFileEntry).file(resolve, fail));
      found.push(new File([file], entry.fullPath.slice(1), {type: file.type, lastModified: file.lastModified}));
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((resolve, fail) => reader.readEntries(resolve, fail));
      if (some.length === 0) return;
      for (const one of some) await walk(one);
    }
  };
  for (const entry of entries) if (entry) await walk(entry);
  return found;
}

function paste(event: ClipboardEvent): void {
  if (event.defaultPrevented || isTyping(event) || !event.clipboardData || !may("objects:write")) return;
  const files = Array.from(event.clipboardData.files);
  if (files.length > 0) {
    event.preventDefault();
    upload(files);
    return;
  }
  if (address.value.path.startsWith("/notebooks/")) return; // cells are pasted there
  const text = event.clipboardData.getData("text/plain");
  const ending = tableEnding(text);
  if (!ending) return;
  event.preventDefault();
  const stamp = new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");
  upload([new File([text], `pasted-${stamp}.${ending}`)]);
}

/** Mounted once, by the shell. */
export function Uploads() {
  const [isOver, over] = useState(false);
  const depth = useRef(0);
  useEffect(forgetDone, [address.value.path]);
  useEffect(() => {
    const enter = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth.current++;
      over(true);
    };
    const leave = (event: DragEvent): void => {
      if (hasFiles(event) && --depth.current <= 0) end();
    };
    const end = (): void => {
      depth.current = 0;
      over(false);
    };
    const hover = (event: DragEvent): void => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      end();
      if (event.defaultPrevented || !hasFiles(event) || !event.dataTransfer) return;
      event.preventDefault();
      void filesOf(event.dataTransfer).then((files) => files.length > 0 && upload(files));
    };
    const all = {dragenter: enter, dragleave: leave, dragover: hover, drop, paste} as unknown as Record<string, EventListener>;
    for (const [name, listener] of Object.entries(all)) addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(all)) removeEventListener(name, listener);
    };
  }, []);
  return (
    <>
      {isOver && <div class="drop-here" aria-hidden="true"><b>Drop to store</b></div>}
      {uploads.value.length > 0 && <Panel items={uploads.value} />}
    </>
  );
}

function Panel({items}: {items: Upload[]}) {
  const under = items.filter((one) => one.state === "sending" || one.state === "waiting" || one.state === "paused").length;
  return (
    <section class="uploads card" aria-label="Uploads">
      <div class="bar apart">
        <h2>{under > 0 ? `Storing ${plural(under, "file")}` : "Uploads"}</h2>
        {under < items.length && <button class="quiet" onClick={dismissFinished}>{under > 0 ? "Hide finished" : "Close"}</button>}
      </div>
      <ul>{items.map((one) => <Line key={one.key} one={one} />)}</ul>
    </section>
  );
}

const WORDS: Record<Upload["state"], string> = {
  waiting: "waiting", sending: "", paused: "waiting for the server", done: "stored", failed: "not stored", cancelled: "cancelled",
};

function Line({one}: {one: Upload}) {
  const isUnderWay = one.state === "sending" || one.state === "waiting" || one.state === "paused";
  return (
    <li>
      <div class="bar apart">
        {one.state === "done" ? <a class="cut grow" href={one.href}>{one.name}</a> : <span class="cut grow">{one.name}</span>}
        <span class="soft small number">{WORDS[one.state] || `${bytes(one.sent)} of ${bytes(one.size)}`}</span>
        {isUnderWay && <button class="quiet" onClick={() => cancel(one.key)} aria-label={`Cancel ${one.name}`}>Cancel</button>}
        {one.state === "failed" && (
          <button class="quiet" onClick={() => again(one.key)}>Try again<span class="sr">: {one.name}</span></button>
        )}
      </div>
      {isUnderWay && <Progress value={one.size === 0 ? null : one.sent / one.size} label={`${one.name}: how much is stored`} />}
      {one.problem && <p class="small upload-problem">{one.problem}</p>}
    </li>
  );
}

/** A button that opens the file picker. */
export function UploadButton({children = "Upload files", isPrimary = false}: {children?: ComponentChildren; isPrimary?: boolean}) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button class={isPrimary ? "primary" : ""} disabled={!may("objects:write")} onClick={() => input.current?.click()}>{children}</button>
      <input ref={input} class="upload-input" type="file" multiple hidden aria-label="Files to store" onChange={(event) => {
        upload(Array.from(event.currentTarget.files ?? []));
        event.currentTarget.value = "";
      }} />
    </>
  );
}
