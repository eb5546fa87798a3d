import type {ComponentChildren} from "preact";

/**
 * A table in a card that scrolls by itself. Titles of columns of numbers end in "#"; "" is the column of buttons.
 * `children` are its rows; each begins with a <th scope="row">.
 */
export function Table({label, head, children, kind = ""}: {label: string; head: string[]; children: ComponentChildren; kind?: string}) {
  return (
    <div class={`card table ${kind}`} role="region" aria-label={label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {head.map((title) => (
              <th key={title} scope="col" class={title.endsWith("#") ? "number" : ""}>
                {title ? title.replace(/#$/, "") : <span class="sr">Actions</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
