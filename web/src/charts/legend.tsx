/** Which line is which; pressing a name hides or shows it. */
const COLOURS = 6;

export function Legend({names, hidden, change}: {names: string[]; hidden: ReadonlySet<string>; change: (hidden: ReadonlySet<string>) => void}) {
  const press = (name: string): void => {
    const next = new Set(hidden);
    if (!next.delete(name)) next.add(name);
    change(next);
  };
  return (
    <ul class="line-keys" aria-label="Lines">
      {names.map((name, at) => (
        <li key={name}>
          <button type="button" class="quiet" aria-pressed={!hidden.has(name)} title={`${hidden.has(name) ? "Show" : "Hide"} ${name}`}
            onClick={() => press(name)}>
            <i class={`swatch series-${(at % COLOURS) + 1} dash-${Math.floor(at / COLOURS) % 3}`} aria-hidden="true" />
            <span class="cut">{name}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
