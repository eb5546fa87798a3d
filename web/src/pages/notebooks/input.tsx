/** The kernel asks: input() and getpass(). */
import {useEffect, useRef, useState} from "preact/hooks";
import type {Desk} from "./desk";
import type {Asked} from "./types";

export function InputForm({asked, desk}: {asked: Asked; desk: Desk}) {
  const [value, set] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body || desk.selected.peek() === asked.cell || document.activeElement?.closest(".notebook")) field.current?.focus();
  }, []);
  return (
    <form class="asked" onSubmit={(event) => {
      event.preventDefault();
      void desk.doc.answer(value);
      set("");
    }}>
      <label for={`asked-${asked.cell}`}>{asked.prompt || "The cell asks for a line"}</label>
      <input id={`asked-${asked.cell}`} ref={field} type={(asked.password ? "password" : "text") as "text"} autocomplete="off" value={value}
        onInput={(event) => set(event.currentTarget.value)} />
      <button class="primary">Answer</button>
    </form>
  );
}
