/** Bars with their names and values: a table that anyone can read. */
import {compact} from "../text";
import {useSketch} from "./use-sketch";
import "./charts.css";

export interface Bar { name: string; value: number }

export function Bars({title, bars, unit = "Count"}: {title: string; bars: Bar[]; unit?: string}) {
  const {sketch, button} = useSketch();
  const top = Math.max(1e-9, ...bars.map((bar) => bar.value));
  return (
    <figure class={`chart ${sketch ? "sketched" : ""}`}>
      <div class="bar apart"><figcaption>{title}</figcaption>{button}</div>
      <table class="bars">
        <colgroup><col class="names" /><col /></colgroup>
        <thead class="sr"><tr><th scope="col">Value</th><th scope="col">{unit}</th></tr></thead>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.name}>
              <th scope="row" class="cut" title={bar.name}>{bar.name}</th>
              <td>
                <i class="fill" ref={(fill) => void (fill && (fill.style.width = `${Math.max(0.4, (bar.value / top) * 100)}%`))} />
                <span class="number">{compact(bar.value)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
