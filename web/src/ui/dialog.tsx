import type {ComponentChildren} from "preact";
import {useEffect, useId, useRef} from "preact/hooks";

/** A modal dialog while it is rendered; Escape and its backdrop call `close`. */
export function Dialog({title, close, children, isLocked = false}: {title: string; close: () => void; children: ComponentChildren; isLocked?: boolean}) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement as HTMLElement | null;
    dialog?.showModal();
    return () => {
      dialog?.close();
      before?.focus?.();
    };
  }, []);
  return (
    <dialog ref={element} aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (!isLocked) close();
      }}
      onClick={(event) => event.target === element.current && !isLocked && close()}>
      <div class="inside"><h2 id={id}>{title}</h2>{children}</div>
    </dialog>
  );
}
