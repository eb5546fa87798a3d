/** Two versions beside each other. */
import type {ModelInfo, ModelVersion} from "../../api/acting";
import {navigate, withQuery} from "../../router";
import {bytes, dateTime} from "../../text";
import {Table} from "../../ui";
import {figure} from "../processing/words";

function Pick({model, of, value, label}: {model: ModelInfo; of: string; value: number; label: string}) {
  return (
    <label class="field small">
      {label}
      <select value={String(value)} onChange={(event) => navigate(withQuery({[of]: event.currentTarget.value}), {replace: true})}>
        {model.versions.map((one) => (
          <option key={one.version} value={String(one.version)}>
            version {one.version} ({one.stage})
          </option>
        ))}
      </select>
    </label>
  );
}

function Change({a, b, better}: {a: number | undefined; b: number | undefined; better: string | null}) {
  if (a === undefined || b === undefined || a === b) return <span class="soft">{a === b && a !== undefined ? "the same" : ""}</span>;
  const isGood = better === null ? null : (better === "higher") === b > a;
  return (
    <span class={isGood === null ? "" : `state ${isGood ? "good" : "bad"}`}>
      {b > a ? "+" : "−"}
      {figure(Math.abs(b - a))}
      {isGood === null ? "" : isGood ? " better" : " worse"}
    </span>
  );
}

const FACTS: [string, (one: ModelVersion) => string][] = [
  ["stage", (one) => one.stage],
  ["format", (one) => one.format],
  ["size", (one) => bytes(one.bytes)],
  ["made", (one) => dateTime(one.created_at)],
  ["by", (one) => one.created_by],
  ["run", (one) => one.run ?? ""],
];

export function Compare({model, query}: {model: ModelInfo; query: URLSearchParams}) {
  const given = (name: string, otherwise: number | undefined): ModelVersion | undefined =>
    model.versions.find((one) => one.version === Number(query.get(name))) ?? model.versions.find((one) => one.version === otherwise);
  const newest = model.candidate ?? Math.max(...model.versions.map((one) => one.version));
  const a = given("a", model.live ?? 1);
  const b = given("b", newest);
  if (!a || !b || model.versions.length < 2) return <p class="soft">There is only one version.</p>;
  const metrics = [...new Set([...Object.keys(a.metrics ?? {}), ...Object.keys(b.metrics ?? {})])];
  return (
    <section class="section" aria-label="Compare two versions">
      <div class="act-filters">
        <Pick model={model} of="a" value={a.version} label="This" />
        <Pick model={model} of="b" value={b.version} label="beside this" />
      </div>
      <Table label="Comparison" head={["", `Version ${a.version}#`, `Version ${b.version}#`, "Change#"]}>
        {metrics.map((name) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number">{figure(a.metrics[name])}</td>
            <td class="number">{figure(b.metrics[name])}</td>
            <td class="number">
              <Change a={a.metrics[name]} b={b.metrics[name]} better={model.promotion?.metric === name ? model.promotion.better : null} />
            </td>
          </tr>
        ))}
        {FACTS.map(([name, of]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td class="number">{of(a)}</td>
            <td class="number">{of(b)}</td>
            <td />
          </tr>
        ))}
      </Table>
    </section>
  );
}
