/** Addresses: the History API, one signal. Plain <a href> works; nothing else is needed. */
import {signal} from "@preact/signals";

export interface Address {
  path: string;
  query: URLSearchParams;
}

const read = (): Address => ({path: location.pathname, query: new URLSearchParams(location.search)});
export const address = signal<Address>(read());

/** Asked before the page leaves for another address; false stays. */
export const leaving = signal<(() => boolean) | null>(null);

export function navigate(href: string, options: {replace?: boolean} = {}): void {
  if (options.replace) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  const from = address.value.path;
  address.value = read();
  if (from !== address.value.path) scrollTo(0, 0);
}

/** The address with some of its query changed (null: taken out). */
export function withQuery(changes: Record<string, string | null>): string {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return location.pathname + (text ? `?${text}` : "");
}

export type Params = Record<string, string>;

/** Does the path fit "/data/objects/{name*}"? {x} is one segment, {x*} the rest. */
export function fits(pattern: string, path: string): Params | null {
  const wanted = pattern.split("/").slice(1);
  const given = (path.replace(/\/+$/, "") || "/").split("/").slice(1);
  const params: Params = {};
  for (const [at, part] of wanted.entries()) {
    const name = /^\{([^*}]+)(\*?)\}$/.exec(part);
    const rest = given.slice(at);
    if (name?.[2] && rest.length > 0 && rest[0] !== "") {
      params[name[1]!] = rest.map(decoded).join("/");
      return params;
    }
    const segment = given[at];
    if (segment === undefined || (name ? segment === "" : segment !== part)) return null;
    if (name) params[name[1]!] = decoded(segment);
  }
  return given.length === wanted.length ? params : null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

addEventListener("popstate", () => {
  address.value = read();
});
addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.("a");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (link.pathname.startsWith("/v1/") || link.pathname.startsWith("/assets/")) return;
  event.preventDefault();
  if (link.href === location.href || leaving.value === null || leaving.value()) navigate(link.pathname + link.search + link.hash);
});
