/** How a program pushes to this stream: to be pasted, with this server's address, never with a secret. */
import {Copy} from "../../ui";
import {streamPath, type StreamInfo} from "./stream-model";

/** A message as the stream has them, or as its definition asks for them. */
function example({definition, schema}: StreamInfo): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  const values: Record<string, unknown> = {int: 1, float: 21.5, bool: true, text: "a", json: []};
  const time = definition.time?.field, key = definition.key;
  for (const {name, kind} of schema.fields.slice(0, 6)) if (!name.includes(".") && name !== time) body[name] = values[kind] ?? null;
  if (key && !key.includes(".")) body[key] ??= "a";
  if (Object.keys(body).length === 0 || (Object.keys(body).length === 1 && key)) body["value"] ??= 21.5;
  const named = definition.time?.format;
  if (time && !time.includes(".")) body[time] = schema.fields.some((field) => field.name === time && field.kind !== "text")
    || (named && named !== "rfc3339" && named !== "auto")
    ? Math.floor(Date.now() / 1000) * ({ms: 1e3, us: 1e6, ns: 1e9}[named ?? ""] ?? 1) : new Date().toISOString().slice(0, 19) + "Z";
  return body;
}

/** In single quotes a shell takes everything as it is, but for the quote itself. */
const shell = (text: string): string => `'${text.replace(/'/g, `'\\''`)}'`;
const address = (name: string): string => location.origin + streamPath(name).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);

/** A value as Python writes it. */
function python(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value as object).map(([name, one]) => `${JSON.stringify(name)}: ${python(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}

export function PushSnippets({info}: {info: StreamInfo}) {
  const isText = info.definition.format === "text";
  const body = isText ? "a line of text" : example(info);
  const sent = isText ? String(body) : JSON.stringify(body);
  const type = isText ? "text/plain" : "application/json";
  const curl = [
    'curl -sS --fail-with-body -H "Authorization: Bearer $SURICATE_TOKEN" \\',
    `  -H "Content-Type: ${type}" -d ${shell(sent)} \\`,
    `  ${address(info.name)}/messages`,
  ].join("\n");
  const sdk = `import suricate as s  # reads SURICATE_TOKEN and SURICATE_URL=${location.origin}\n\ns.push(${JSON.stringify(info.name)}, [${python(body)}])`;
  return (
    <div class="section snippets">
      <p class="hint">Tokens are made under <a href="/settings">Settings</a>; put one into the environment as <code>SURICATE_TOKEN</code>.</p>
      <h3>curl</h3><Copy text={curl} label="Copy curl" />
      <h3>Python</h3><Copy text={sdk} label="Copy Python" />
    </div>
  );
}
