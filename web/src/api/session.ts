/** Who is signed in. The browser holds a cookie it can't read; changes carry the session's csrf value. */
import {signal} from "@preact/signals";

export interface Session {
  user: string;
  tenant: string;
  scopes: string[];
  csrf: string | null;
  expires_at: string | null;
}

/** "expired": there was a session; what is on the page stays, and requests wait until somebody signed in again. */
export type SessionState = "loading" | "in" | "out" | "expired";

export const session = signal<Session | null>(null);
export const sessionState = signal<SessionState>("loading");

let waiting: (() => void)[] = [];

/** Resolves when somebody is signed in again. */
export function untilSignedIn(): Promise<void> {
  return new Promise((resolve) => waiting.push(resolve));
}

/** The server refused our credential. */
export function sessionLost(): void {
  sessionState.value = session.value ? "expired" : "out";
}

export function sessionIs(found: Session): void {
  const other = session.value !== null && (session.value.user !== found.user || session.value.tenant !== found.tenant);
  session.value = found;
  sessionState.value = "in";
  if (other) {
    location.reload(); // somebody else's page
    return;
  }
  const those = waiting;
  waiting = [];
  for (const go of those) go();
}

/** May the person do this? Scopes are "objects:read", "runs:write" …; "admin" holds all. */
export function may(scope: string): boolean {
  const scopes = session.value?.scopes ?? [];
  return scopes.includes("admin") || scopes.includes(scope);
}

/** Asks the server; true when a session (or one of another tab) is there. */
export async function readSession(): Promise<boolean> {
  const answer = await fetch("/v1/session", {headers: {Accept: "application/json"}});
  if (answer.ok) sessionIs((await answer.json()) as Session);
  else if (answer.status === 401) sessionLost();
  return answer.ok;
}

/** null: signed in; else what to tell. */
export async function signIn(user: string, password: string, tenant: string): Promise<string | null> {
  const answer = await fetch("/v1/session", {
    method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(tenant ? {user, password, tenant} : {user, password}),
  });
  const body = (await answer.json().catch(() => ({}))) as Session & {detail?: string; title?: string};
  if (!answer.ok) return body.detail ?? body.title ?? `the server said ${answer.status}`;
  sessionIs(body);
  return null;
}

export async function signOut(): Promise<void> {
  await fetch("/v1/session", {method: "DELETE", headers: {"X-Suricate-CSRF": session.value?.csrf ?? ""}});
  session.value = null;
  sessionState.value = "out";
}
