/** The fields that messages have had, and of what kinds. */
import type {List} from "../../api/client";
import {withQuery} from "../../router";
import {useResource} from "../../resource";
import {Empty, Table} from "../../ui";
import {isNumeric, type Item, line, streamPath, type StreamInfo} from "./stream-model";

const KINDS: Record<string, string> = {int: "whole number", float: "number", text: "text", bool: "yes or no", json: "list or object"};

/** The value at a path such as `user.name`; also when a name itself has a dot. */
export function at(body: unknown, path: string): unknown {
  if (typeof body !== "object" || body === null) return undefined;
  const fields = body as Record<string, unknown>;
  if (path in fields) return fields[path];
  for (let dot = path.indexOf("."); dot > 0; dot = path.indexOf(".", dot + 1)) {
    const found = at(fields[path.slice(0, dot)], path.slice(dot + 1));
    if (found !== undefined) return found;
  }
  return undefined;
}

export function Schema({info}: {info: StreamInfo}) {
  const {fields} = info.schema;
  const newest = useResource<List<Item>>(`${streamPath(info.name)}/messages?from=${Math.max(info.offsets.first, info.offsets.next - 1)}&limit=1`);
  if (fields.length === 0) return <Empty title="No fields yet"><span>They are found in the messages as they come.</span></Empty>;
  const body = newest.data?.items[0]?.body;
  const {time, key} = info.definition;
  return (
    <Table label="Fields" head={["Field", "Kind", "Newest value", "Used as", ""]}>
      {fields.map((field) => (
        <tr key={`${field.name} ${field.kind}`}>
          <th scope="row" class="mono"><bdi>{field.name}</bdi></th>
          <td class="soft">{KINDS[field.kind] ?? field.kind}</td>
          <td class="mono cell">{at(body, field.name) === undefined ? "" : line(at(body, field.name), 80)}</td>
          <td class="soft">{[time?.field === field.name && "time", key === field.name && "key"].filter(Boolean).join(", ")}</td>
          <td>{isNumeric(field) && <a href={withQuery({tab: null, field: field.name})}>Chart<span class="sr"> of {field.name}</span></a>}</td>
        </tr>
      ))}
    </Table>
  );
}
