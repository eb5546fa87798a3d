/** Who follows the stream under which name, and how far each is behind. */
import {useState} from "preact/hooks";
import {inPath, type List, post, Problem, remove} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {compact, count, seconds} from "../../text";
import {Dialog, Empty, ProblemBox, Shown, Table, Time} from "../../ui";
import {type Consumer, streamPath, type StreamInfo} from "./stream-model";

const EVERY_MS = 2000;

export function Consumers({info}: {info: StreamInfo}) {
  const path = `${streamPath(info.name)}/consumers`;
  const consumers = useResource<List<Consumer>>(path, {every: EVERY_MS});
  const [removing, ask] = useState<string | null>(null);
  return (
    <Shown resource={consumers}>{({items}) => items.length === 0 ? (
      <Empty title="Nobody follows this stream">
        <span>A consumer follows it window by window under a name; the server keeps its place. In a notebook:</span>
        <code>for window in s.follow({JSON.stringify(info.name)}, every="10s"): …</code>
      </Empty>
    ) : (
      <>
        <Table label="Consumers" head={["Consumer", "Behind#", "Window", "Iterations#", "Late#", "Has come to", "Followed by", ""]}>
          {items.map((one) => (
            <tr key={one.name}>
              <th scope="row"><bdi>{one.name}</bdi></th>
              <td class="number">{one.lag.messages === 0 ? "none" : `${compact(one.lag.messages)} in ${seconds(one.lag.seconds ?? 0)}`}</td>
              <td>{one.every}{one.slide && `, each ${one.slide}`}</td>
              <td class="number">{count(one.iterations)}</td><td class="number">{one.late ? count(one.late) : ""}</td>
              <td class="soft number">{one.position.window_start?.slice(0, 19).replace("T", " ") ?? `message ${one.position.offset}`}</td>
              <td class="soft">{one.claimed_by ? <>{one.claimed_by}, <Time at={one.claimed_at ?? 0} /></> : "nobody now"}</td>
              <td>{may("streams:write") && <button class="quiet" onClick={() => ask(one.name)}>Change<span class="sr"> {one.name}</span></button>}</td>
            </tr>
          ))}
        </Table>
        {removing !== null && <Change path={`${path}/${inPath(removing)}`} name={removing} close={() => (ask(null), consumers.refresh())} />}
      </>
    )}</Shown>
  );
}

function Change({path, name, close}: {path: string; name: string; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const go = (to: string): void => void post(`${path}/seek`, {to}).then(close, fail);
  return (
    <Dialog title={`Consumer ${name}`} close={close}>
      <p>Whoever follows by this name now is stopped by any of these and has to begin again.</p>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar">
        <button onClick={() => go("earliest")}>Begin from the first message</button>
        <button onClick={() => go("latest")}>Skip to what comes from now</button>
        <button class="danger" onClick={() => void remove(path).then(close, fail)}>Forget it</button>
        <button onClick={close} autofocus>Leave it</button>
      </div>
    </Dialog>
  );
}

