/** The command that makes the decision again without sending anything. Pure. */
import type {Decision} from "../../api/acting";

const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`);

const short = (time: string): string => time.replace(/\.0+Z$/, "Z");

export function replay(decision: Decision): string {
  const {watch, window, stream} = decision;
  if (watch && window) {
    const key = decision.key ? ` --key ${quoted(decision.key)}` : "";
    return `suricate watch backtest ${quoted(watch)} --from ${short(window.start)} --to ${short(window.end)}${key}`;
  }
  return stream || decision.trigger ? `suricate why ${decision.id}` : `suricate decision get ${decision.id}`;
}
