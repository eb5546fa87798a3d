/** JSON as a tree that opens as far as somebody looks. */
import {useState} from "preact/hooks";
import {count, plural} from "../text";

const A_TIME = 100;
const LONG_TEXT = 500;

function isTree(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function entriesOf(value: object): [string, unknown][] {
  return Array.isArray(value) ? value.map((item, at): [string, unknown] => [String(at), item]) : Object.entries(value);
}

function Leaf({value}: {value: unknown}) {
  const [isWhole, setWhole] = useState(false);
  if (typeof value !== "string") return <span class={`json-${value === null ? "null" : typeof value}`}>{String(value)}</span>;
  const isCut = value.length > LONG_TEXT && !isWhole;
  return (
    <span class="json-string">
      {JSON.stringify(isCut ? value.slice(0, LONG_TEXT) : value.slice(0, 200_000))}
      {isCut && <button class="quiet" onClick={() => setWhole(true)}>… {count(value.length - LONG_TEXT)} more characters</button>}
    </span>
  );
}

function Branch({name, value, isOpen}: {name: string | null; value: object; isOpen: boolean}) {
  const [opened, setOpened] = useState(isOpen);
  const [shown, setShown] = useState(A_TIME);
  const size = Array.isArray(value) ? value.length : Object.keys(value).length;
  const label = Array.isArray(value) ? `[${plural(size, "item")}]` : `{${plural(size, "key")}}`;
  return (
    <div class="json-branch">
      <button class="json-toggle" aria-expanded={opened} onClick={() => setOpened(!opened)}>
        {name !== null && <span class="json-key">{name}: </span>}<span class="soft">{label}</span>
      </button>
      {opened && (
        <ul>
          {(Array.isArray(value) ? value.slice(0, shown) : entriesOf(value).slice(0, shown)).map((entry, at) => {
            const [key, item] = Array.isArray(value) ? [String(at), entry] : (entry as [string, unknown]);
            if (isTree(item)) return <li key={key}><Branch name={key} value={item} isOpen={false} /></li>;
            return <li key={key}><span class="json-key">{key}: </span><Leaf value={item} /></li>;
          })}
          {size > shown && <li><button class="quiet" onClick={() => setShown(shown + A_TIME * 5)}>{count(size - shown)} more</button></li>}
        </ul>
      )}
    </div>
  );
}

export function Json({value, isOpen = true}: {value: unknown; isOpen?: boolean}) {
  return <div class="out-json">{isTree(value) ? <Branch name={null} value={value} isOpen={isOpen} /> : <Leaf value={value} />}</div>;
}
