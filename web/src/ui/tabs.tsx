import {address, withQuery} from "../router";

/** Tabs as links (?tab=…), so that each has an address. The first is the default. */
export function Tabs({tabs, label}: {tabs: [id: string, text: string][]; label: string}) {
  const query = address.value.query; // subscribes
  const now = query.get("tab") ?? tabs[0]?.[0];
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(([id, text]) => (
        <a key={id} href={withQuery({tab: id === tabs[0]?.[0] ? null : id})} aria-current={id === now ? "page" : undefined}>{text}</a>
      ))}
    </nav>
  );
}
