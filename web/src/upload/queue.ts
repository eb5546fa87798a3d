/** Files on their way to the server. Each goes in pieces (POST /v1/uploads), so a lost connection costs one piece. */
import {signal} from "@preact/signals";
import {api, inPath, Problem, send} from "../api/client";
import {connection, isOnline} from "../api/connection";
import type {ObjectInfo} from "../api/types";
import {navigate} from "../router";
import {announce} from "../ui";

export type UploadState = "waiting" | "sending" | "paused" | "done" | "failed" | "cancelled";

export interface Upload {
  key: number;
  name: string;
  size: number;
  sent: number;
  state: UploadState;
  /** What went wrong, in words. */
  problem: string | null;
  /** Where it is to be seen once it is done. */
  href: string;
}

/** All of this page's life, newest last; what is over can be dismissed. */
export const uploads = signal<Upload[]>([]);

interface Job { key: number; file: File; stop: AbortController; id: string | null; isSole: boolean }
const jobs = new Map<number, Job>();
let keys = 0;

const PARALLEL = 3;
const FIRST_PIECE = 1 << 20;
const LARGEST_PIECE = 32 << 20;
const RETRIES = 6;

function change(key: number, changes: Partial<Upload>): void {
  uploads.value = uploads.value.map((one) => (one.key === key ? {...one, ...changes} : one));
}

const isNotebook = (name: string): boolean => /\.ipynb$/i.test(name);
const pageOf = (name: string): string => (isNotebook(name) ? `/notebooks/${inPath(name)}` : `/data/objects/${inPath(name)}`);

/** A file's name as an object may be called. */
export function nameOf(file: File): string {
  const path = file.webkitRelativePath || file.name;
  const parts = path.split("/").map((part) => part.replace(/[\u0000-\u001f\u007f]/g, "_").trim());
  return parts.filter((part) => part !== "" && part !== "." && part !== "..").join("/") || "unnamed";
}

/** Stores files under their own names (or the one given); one file alone is shown when it is there. */
export function upload(files: File[], name?: string): void {
  const added = files.map((file): Upload => {
    const called = name ?? nameOf(file);
    const key = ++keys;
    jobs.set(key, {key, file, stop: new AbortController(), id: null, isSole: files.length === 1});
    return {key, name: called, size: file.size, sent: 0, state: "waiting", problem: null, href: pageOf(called)};
  });
  uploads.value = [...uploads.value, ...added];
  pump();
}

export function cancel(key: number): void {
  const job = jobs.get(key);
  change(key, {state: "cancelled"});
  if (job?.id) void api(`/v1/uploads/${job.id}`, {method: "DELETE"}).catch(() => undefined);
  job?.stop.abort();
  jobs.delete(key);
  pump();
}

export function again(key: number): void {
  change(key, {state: "waiting", problem: null});
  pump();
}

const isOver = (one: Upload): boolean => one.state === "done" || one.state === "failed" || one.state === "cancelled";

export function dismissFinished(): void {
  for (const one of uploads.value) if (isOver(one)) jobs.delete(one.key);
  uploads.value = uploads.value.filter((one) => !isOver(one));
}

/** What is stored was seen; it need not stay in the corner. */
export function forgetDone(): void {
  if (uploads.value.some((one) => one.state === "done")) uploads.value = uploads.value.filter((one) => one.state !== "done");
}

function pump(): void {
  const busy = uploads.value.filter((one) => one.state === "sending" || one.state === "paused").length;
  for (const one of uploads.value.filter((each) => each.state === "waiting").slice(0, Math.max(0, PARALLEL - busy))) {
    const job = jobs.get(one.key);
    if (!job) continue;
    change(one.key, {state: "sending"});
    void run(job, one).finally(pump);
  }
}

async function run(job: Job, one: Upload): Promise<void> {
  try {
    await (isNotebook(one.name) ? sendNotebook(job, one) : sendPieces(job, one));
    change(job.key, {state: "done", sent: one.size});
    announce(`${one.name} is stored`);
    jobs.delete(job.key);
    if (job.isSole && !document.querySelector("dialog[open]")) navigate(one.href);
    if (location.pathname === one.href) forgetDone();
  } catch (error) {
    if (job.stop.signal.aborted) return;
    const why = error instanceof Problem ? [error.message, error.hint].filter(Boolean).join(". ") : "The file can't be read any more";
    change(job.key, {state: "failed", problem: why});
    announce(`${one.name} was not stored: ${why}`);
  }
}

/** Waits for the server, as long as it takes. */
function untilOnline(key: number): Promise<void> {
  change(key, {state: "paused"});
  return new Promise<void>((resolve) => {
    if (isOnline.value) return resolve();
    const stop = connection.onBack(() => {
      stop();
      resolve();
    });
  }).then(() => change(key, {state: "sending"}));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Another offset than we thought is no fault that passes: the server has said which. */
const isMisplaced = (problem: Problem): boolean => problem.status === 409 && typeof problem.body["offset"] === "number";
const mayPass = (problem: Problem): boolean =>
  problem.slug === "offline" || (problem.status === 409 && !isMisplaced(problem)) || problem.status === 429 || problem.status >= 500;

/** `step`, again and again while what stops it may pass. */
async function patiently<T>(job: Job, step: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; ) {
    try {
      return await step();
    } catch (error) {
      if (!(error instanceof Problem) || job.stop.signal.aborted || error.slug === "insufficient-storage" || !mayPass(error)) throw error;
      if (error.slug === "offline") await untilOnline(job.key);
      else if (++tries > RETRIES) throw error;
      await pause(error.slug === "offline" ? 200 : 300 * 2 ** tries);
      if (job.stop.signal.aborted) throw error;
    }
  }
}

async function sendNotebook(job: Job, one: Upload): Promise<void> {
  const headers = {"Content-Type": "application/x-ipynb+json"};
  await patiently(job, () => api(`/v1/notebooks/${inPath(one.name)}`, {method: "PUT", body: job.file, headers, signal: job.stop.signal}));
}

interface Begun { id: string; offset: number; version: number | null }

async function begin(job: Job, one: Upload): Promise<Begun> {
  const modified = job.file.lastModified ? new Date(job.file.lastModified).toISOString() : undefined;
  const type = job.file.type && job.file.type !== "application/vnd.ms-excel" ? job.file.type : undefined; // Windows' word for CSV
  return api<Begun>("/v1/uploads", {
    method: "POST", body: {name: one.name, size: one.size, ...(type && {type}), ...(modified && {last_modified: modified})}, signal: job.stop.signal,
  });
}

/** How far it is; begun when the server does not know it (any more). */
async function state(job: Job, one: Upload): Promise<Begun> {
  if (job.id) {
    try {
      return await api<Begun>(`/v1/uploads/${job.id}`, {signal: job.stop.signal});
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
    }
  }
  const begun = await begin(job, one);
  job.id = begun.id;
  return begun;
}

async function sendPieces(job: Job, one: Upload): Promise<ObjectInfo> {
  let size = FIRST_PIECE;
  for (;;) {
    const {id, offset} = await patiently(job, () => state(job, one));
    let at = offset;
    const made = await patiently(job, async () => {
      for (;;) {
        change(job.key, {sent: at});
        const piece = job.file.slice(at, at + size);
        const began = performance.now();
        const answer = await send(`/v1/uploads/${id}`, {
          method: "PATCH", body: piece, headers: {"Upload-Offset": String(at)}, signal: job.stop.signal,
        });
        if (answer.status === 201) return (await answer.json()) as ObjectInfo;
        at = Number(answer.headers.get("Upload-Offset"));
        if (performance.now() - began < 1000) size = Math.min(LARGEST_PIECE, size * 2);
        else if (performance.now() - began > 4000) size = Math.max(FIRST_PIECE / 4, size / 2);
      }
    }).catch((error: unknown) => {
      // Another offset than we thought, or an upload that is gone: ask, and go on from there.
      if (error instanceof Problem && !job.stop.signal.aborted && (isMisplaced(error) || error.status === 404)) return null;
      throw error;
    });
    if (made) return made;
  }
}
