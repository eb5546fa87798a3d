/** Search over everything that has a name. */
import {signal} from "@preact/signals";
import {useEffect, useState} from "preact/hooks";
import {api, inPath, type List} from "../api/client";
import {navigate} from "../router";
import {Dialog} from "../ui";

export const paletteIsOpen = signal(false);

interface Hit { kind: string; name: string; href: string }
const KINDS: [kind: string, list: string, page: string][] = [
  ["object", "/v1/objects", "/data/objects/"], ["stream", "/v1/streams", "/data/streams/"],
  ["notebook", "/v1/notebooks", "/notebooks/"], ["recipe", "/v1/recipes", "/recipes/"],
];
const EACH = 8;

async function find(text: string, signal: AbortSignal): Promise<Hit[]> {
  const lists = await Promise.all(KINDS.map(async ([kind, list, page]) => {
    const query = text ? `?limit=${EACH}&q=${encodeURIComponent(text)}` : `?limit=${EACH}`;
    const found = await api<List<{name: string}>>(list + query, {signal}).catch(() => ({items: [], next: null}));
    return found.items.slice(0, EACH).map(({name}) => ({kind, name, href: page + inPath(name)}));
  }));
  return lists.flat();
}

export function Palette() {
  const [text, type] = useState("");
  const [hits, show] = useState<Hit[]>([]);
  const close = (): void => void (paletteIsOpen.value = false);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => void find(text, stop.signal).then(show, () => undefined), text ? 120 : 0);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  return (
    <Dialog title="Search" close={close}>
      <form class="palette" role="search" onSubmit={(event) => {
        event.preventDefault();
        if (hits[0]) navigate(hits[0].href);
        close();
      }}>
        <input aria-label="Name of an object, stream, notebook or recipe" placeholder="Name of an object, stream, notebook or recipe" autofocus
          value={text} onInput={(event) => type(event.currentTarget.value)} />
        <p class="sr" role="status">{hits.length} found</p>
        <ul>
          {hits.map((hit) => (
            <li key={hit.href}>
              <a href={hit.href} onClick={close}><span class="cut">{hit.name}</span><span class="soft small">{hit.kind}</span></a>
            </li>
          ))}
        </ul>
      </form>
    </Dialog>
  );
}
