/** One of a few kinds, as cards. */
export function KindChoice({
  label,
  kinds,
  value,
  choose,
}: {
  label: string;
  kinds: {kind: string; title: string; about: string}[];
  value: string;
  choose: (kind: string) => void;
}) {
  return (
    <div class="kinds act-kinds" role="group" aria-label={label}>
      {kinds.map(({kind, title, about}) => (
        <button key={kind} type="button" aria-pressed={kind === value} onClick={() => choose(kind)}>
          <b>{title}</b>
          <span class="soft small">{about}</span>
        </button>
      ))}
    </div>
  );
}
