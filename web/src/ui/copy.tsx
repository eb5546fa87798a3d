import {useState} from "preact/hooks";
import {announce} from "./announce";
import "./copy.css";

/** A text to be copied: curl lines, snippets, addresses. */
export function Copy({text, label = "Copy"}: {text: string; label?: string}) {
  const [isCopied, set] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    set(true);
    announce("Copied");
    setTimeout(() => set(false), 1500);
  };
  return (
    <div class="copy">
      <pre tabIndex={0}>{text}</pre>
      <button class="quiet" onClick={() => void copy()} aria-label={label}>{isCopied ? "Copied" : label}</button>
    </div>
  );
}
