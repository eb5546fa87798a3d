/** Requests to Suricate's REST API. Errors are `Problem`s; a session that ended is waited for, not failed. */
import {connection} from "./connection";
import {session, sessionLost, untilSignedIn} from "./session";

/** An RFC 9457 problem as the server tells it, or "offline" when it could not be reached. */
export class Problem extends Error {
  constructor(readonly status: number, readonly slug: string, readonly title: string, readonly detail: string,
    readonly field: string | null, readonly hint: string | null, readonly body: Record<string, unknown>) {
    super(detail || title);
  }
}

export interface Call {
  method?: string;
  /** Sent as JSON unless it is bytes or text. */
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Fail with 401 rather than wait for somebody to sign in. */
  isQuiet?: boolean;
}

function problemOf(status: number, body: Record<string, unknown>): Problem {
  const text = (name: string): string | null => (typeof body[name] === "string" ? (body[name] as string) : null);
  const slug = (text("type") ?? "").split("/").at(-1) ?? "";
  return new Problem(status, slug, text("title") ?? `The server said ${status}`, text("detail") ?? "", text("field"), text("hint"), body);
}

function isBytes(body: unknown): body is BodyInit {
  return typeof body === "string" || body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body);
}

/** The answer as it is, once it is a success. */
export async function send(path: string, call: Call = {}): Promise<Response> {
  const method = call.method ?? "GET";
  const headers: Record<string, string> = {Accept: "application/json", ...call.headers};
  let body: BodyInit | undefined;
  if (call.body !== undefined) {
    body = isBytes(call.body) ? call.body : JSON.stringify(call.body);
    headers["Content-Type"] ??= isBytes(call.body) ? "application/octet-stream" : "application/json";
  }
  for (;;) {
    if (method !== "GET" && session.value?.csrf) headers["X-Suricate-CSRF"] = session.value.csrf;
    let answer: Response;
    try {
      answer = await fetch(path, {method, headers, body, signal: call.signal, cache: method === "GET" ? "no-cache" : "no-store"});
    } catch (error) {
      if (call.signal?.aborted) throw error;
      connection.lost();
      throw new Problem(0, "offline", "Suricate can't be reached", "The connection to the server is lost. It is tried again by itself.", null, null, {});
    }
    connection.found();
    if (answer.ok) return answer;
    const problem = problemOf(answer.status, (await answer.json().catch(() => ({}))) as Record<string, unknown>);
    const isStale = problem.status === 403 && problem.field === "X-Suricate-CSRF";
    if ((problem.status === 401 || isStale) && !call.isQuiet) {
      const back = untilSignedIn();
      sessionLost();
      await back;
      continue;
    }
    throw problem;
  }
}

/** The answer's JSON (null when it has no body). */
export async function api<T>(path: string, call: Call = {}): Promise<T> {
  const answer = await send(path, call);
  const text = await answer.text();
  return (text ? JSON.parse(text) : null) as T;
}

export const post = <T>(path: string, body?: unknown): Promise<T> => api<T>(path, {method: "POST", body: body ?? {}});
export const put = <T>(path: string, body: unknown): Promise<T> => api<T>(path, {method: "PUT", body});
/** Only if it is still as it was when it was read. */
export const putOver = <T>(path: string, body: unknown, etag: string): Promise<T> => api<T>(path, {method: "PUT", body, headers: {"If-Match": `"${etag}"`}});
export const patch = <T>(path: string, body: unknown): Promise<T> => api<T>(path, {method: "PATCH", body});
export const remove = (path: string): Promise<null> => api<null>(path, {method: "DELETE"});

/** A name as part of an address: slashes stay, all else is encoded. */
export function inPath(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}

/** Fails at the field "name" when there is something at `path` already. */
export async function mustBeNew(path: string): Promise<void> {
  const isThere = await api(path).then(() => true, (error: unknown) => {
    if (error instanceof Problem && error.status === 404) return false;
    throw error;
  });
  if (isThere) throw new Problem(412, "precondition-failed", "There is one of that name", "must be another one: there is one of that name", "/name", null, {});
}

export interface List<T> {
  items: T[];
  next: string | null;
}
