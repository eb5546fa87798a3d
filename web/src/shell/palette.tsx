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
/** Few enough to be asked for whole. */
const ACTING: [kind: string, list: string, page: string][] = [
  ["watch", "/v1/watches", "/processing/watches/"], ["model", "/v1/models", "/processing/models/"],
  ["action", "/v1/actions", "/processing/actions/"], ["trigger", "/v1/triggers", "/processing/triggers/"],
];
const EACH = 8;

async function find(text: string, signal: AbortSignal): Promise<Hit[]> {
  const query = text ? `?limit=${EACH}&q=${encodeURIComponent(text)}` : `?limit=${EACH}`;
  const wanted = text.toLowerCase();
  const lists = await Promise.all([...KINDS, ...ACTING].map(async ([kind, list, page], at) => {
    const found = await api<List<{name: string}>>(at < KINDS.length ? list + query : list, {signal}).catch(() => ({items: [], next: null}));
    const fits = at < KINDS.length ? found.items : found.items.filter(({name}) => name.toLowerCase().includes(wanted));
    return fits.slice(0, EACH).map(({name}) => ({kind, name, href: page + inPath(name)}));
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
        <input aria-label="Name of an object, stream, notebook, watch …" placeholder="Name of an object, stream, notebook, watch …" autofocus
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
