/** Keys that work everywhere; `?` lists them. Single keys can be switched off in the settings. */
import {signal} from "@preact/signals";
import {useEffect} from "preact/hooks";
import {navigate} from "../router";
import {Dialog} from "../ui";
import {paletteIsOpen} from "./palette";

/** Keys a page adds to the list: what → keys. */
export const pageKeys = signal<[keys: string, what: string][]>([]);
export const singleKeys = signal(localStorage.getItem("suricate.keys") !== "off");
const isHelpOpen = signal(false);

const GO: Record<string, string> = {o: "/", d: "/data", n: "/notebooks", p: "/processing", r: "/runs", a: "/processing/decisions"};
const LIST: [string, string][] = [
  ["Ctrl K", "search everything"], ["/", "go to the list's filter"], ["?", "this list"],
  ["g o", "overview"], ["g d", "data"], ["g n", "notebooks"], ["g r", "runs"], ["g p", "processing"], ["g a", "decisions"],
];

export function isTyping(event: Event): boolean {
  const target = (event.composedPath()[0] ?? event.target) as HTMLElement;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

export function Keys() {
  useEffect(() => {
    let isGoing = false;
    const press = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && !event.shiftKey && !event.altKey) {
        event.preventDefault();
        paletteIsOpen.value = true;
        return;
      }
      if (event.defaultPrevented || !singleKeys.value || isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const where = isGoing ? GO[event.key] : undefined;
      isGoing = event.key === "g";
      if (where) navigate(where);
      else if (event.key === "?") isHelpOpen.value = true;
      else if (event.key === "/") {
        const filter = document.querySelector<HTMLElement>("[data-filter]");
        if (filter) event.preventDefault();
        filter?.focus();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  if (!isHelpOpen.value) return null;
  return (
    <Dialog title="Keys" close={() => (isHelpOpen.value = false)}>
      <dl class="keys">
        {[...LIST, ...pageKeys.value].map(([keys, what]) => (
          <><dt>{keys.split(" ").map((key) => <><kbd>{key}</kbd> </>)}</dt><dd>{what}</dd></>
        ))}
      </dl>
      <label class="check"><input type="checkbox" checked={singleKeys.value} onChange={(event) => {
        singleKeys.value = event.currentTarget.checked;
        localStorage.setItem("suricate.keys", singleKeys.value ? "on" : "off");
      }} />Keys without Ctrl are on</label>
      <div class="bar"><button onClick={() => (isHelpOpen.value = false)}>Close</button></div>
    </Dialog>
  );
}
