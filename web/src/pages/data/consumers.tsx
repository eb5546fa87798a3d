/** Who follows the stream, and how far behind they are. */
import {inPath, type List} from "../../api/client";
import type {Consumer} from "../../api/types";
import {useResource} from "../../resource";
import {compact, seconds} from "../../text";
import {Empty, Shown, Table, Time} from "../../ui";

export function ConsumersTab({name}: {name: string}) {
  const consumers = useResource<List<Consumer>>(`/v1/streams/${inPath(name)}/consumers`, {on: ["consumer."], every: 2000});
  return (
    <Shown resource={consumers}>{({items}) => items.length === 0
      ? <Empty title="Nobody follows this stream"><span>A processing notebook does: <code>for window in s.follow("{name}", every="10s")</code></span></Empty>
      : (
        <Table label="Consumers" head={["Name", "Window", "Behind#", "Iterations#", "Late#", "Held by"]}>
          {items.map((one) => (
            <tr key={one.name}>
              <th scope="row">{one.name}</th><td>{one.every}</td>
              <td class="number">{compact(one.lag.messages)} messages{one.lag.seconds !== null && `, ${seconds(one.lag.seconds)}`}</td>
              <td class="number">{compact(one.iterations)}</td><td class="number">{compact(one.late)}</td>
              <td class="soft">{one.claimed_at ? <>{one.claimed_by ?? "somebody"}, <Time at={one.claimed_at} /></> : "nobody now"}</td>
            </tr>
          ))}
        </Table>
      )}</Shown>
  );
}
