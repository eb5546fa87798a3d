/** How far behind a run that follows is: what its consumers say. */
import {useEffect, useState} from "preact/hooks";
import {api, inPath} from "../../api/client";
import {isUnderWay, type Run} from "../runs/model";

export interface Consumer {
  name: string;
  stream: string;
  every: string;
  slide: string | null;
  position: {offset: number | null; window_start: string | null} | null;
  lag: {messages: number; seconds: number | null};
  late: number;
  iterations: number;
  claimed_by: string | null;
}

const EVERY_MS = 2000;

/** Which streams it follows, under which names. */
export function followedBy(run: Run): {stream: string; consumer: string}[] {
  const all = run.pace?.window ? [...run.followed, run.pace.window] : run.followed;
  return all.filter((one, at) => all.findIndex((other) => other.stream === one.stream && other.consumer === one.consumer) === at);
}

export function useConsumers(run: Run): Consumer[] {
  const [consumers, set] = useState<Consumer[]>([]);
  const key = JSON.stringify(followedBy(run).map(({stream, consumer}) => [stream, consumer]));
  useEffect(() => {
    const pairs = JSON.parse(key) as [string, string][];
    const read = async (): Promise<void> => {
      const found = await Promise.all(pairs.map(([stream, consumer]) =>
        api<Consumer>(`/v1/streams/${inPath(stream)}/consumers/${encodeURIComponent(consumer)}`).catch(() => null)));
      set(found.filter((one) => one !== null));
    };
    void read();
    const timer = isUnderWay(run) ? setInterval(() => document.visibilityState === "visible" && void read(), EVERY_MS) : undefined;
    return () => clearInterval(timer);
  }, [key, run.state]);
  return consumers;
}
