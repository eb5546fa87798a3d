/** The rule by which a new version becomes live by itself. */
import {useState} from "preact/hooks";
import type {ModelInfo} from "../../api/acting";
import {may} from "../../api/session";

export function Promotion({model, store}: {model: ModelInfo; store: (rule: ModelInfo["promotion"]) => void}) {
  const metrics = [...new Set(model.versions.flatMap((one) => Object.keys(one.metrics ?? {})))];
  const [metric, setMetric] = useState(model.promotion?.metric ?? metrics[0] ?? "");
  const [better, setBetter] = useState(model.promotion?.better ?? "higher");
  const [least, setLeast] = useState(model.promotion?.at_least?.toString() ?? "");
  return (
    <form
      class="card pad section"
      aria-label="Promotion"
      onSubmit={(event) => {
        event.preventDefault();
        store({metric, better, ...(least ? {at_least: Number(least)} : {})});
      }}>
      <p>
        {model.promotion
          ? `A new version becomes live by itself when its ${model.promotion.metric} is ${model.promotion.better} than that of the live one.`
          : "A new version is a candidate until somebody promotes it. Or let a metric decide:"}
      </p>
      <div class="fields">
        <label class="field">
          Metric
          <input value={metric} required list="act-metrics" onInput={(event) => setMetric(event.currentTarget.value)} />
          <datalist id="act-metrics">
            {metrics.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </label>
        <label class="field">
          Better is
          <select value={better} onChange={(event) => setBetter(event.currentTarget.value)}>
            <option value="higher">higher</option>
            <option value="lower">lower</option>
          </select>
        </label>
        <label class="field">
          and {better === "higher" ? "at least" : "at most"}
          <input type="number" step="any" value={least} placeholder="any" onInput={(event) => setLeast(event.currentTarget.value)} />
        </label>
      </div>
      {may("objects:write") && (
        <div class="bar">
          <button class="primary">Store the rule</button>
          {model.promotion && (
            <button type="button" onClick={() => store(null)}>
              Promote by hand again
            </button>
          )}
        </div>
      )}
    </form>
  );
}
