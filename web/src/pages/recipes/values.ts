/** Parameters as people type them, and as the API wants them. */
import type {Parameter} from "../../api/types";

export function textOf(value: unknown): string {
  return value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
}

export function whatIsWanted(parameter: Parameter): string {
  const kinds: Record<string, string> = {int: "A whole number", float: "A number", list: "A list, as JSON or with commas between", dict: "JSON"};
  const kind = kinds[parameter.type] ?? "";
  const may = parameter.optional || parameter.default === null ? "May stay empty" : "";
  return [kind, may].filter(Boolean).map((part) => `${part}.`).join(" ");
}

function valueOf(parameter: Parameter, text: string): unknown {
  if (parameter.type === "int" || parameter.type === "float") {
    if (Number.isNaN(Number(text))) throw new Error(`${parameter.name} is not a number: ${text}`);
    return Number(text);
  }
  if (parameter.type === "list" && !/^\s*\[/.test(text)) return text.split(",").map((part) => part.trim()).filter(Boolean);
  if (parameter.type === "list" || parameter.type === "dict") {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`${parameter.name} is not JSON: ${text}`);
    }
  }
  return text;
}

/** What differs from the defaults; empty fields are left out. */
export function given(parameters: Parameter[], form: FormData): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const parameter of parameters) {
    const text = String(form.get(parameter.name) ?? "");
    if (parameter.type === "bool") {
      if (form.has(parameter.name) !== (parameter.default === true)) values[parameter.name] = form.has(parameter.name);
    } else if (text.trim() !== "" && text !== textOf(parameter.default)) values[parameter.name] = valueOf(parameter, text);
  }
  return values;
}
