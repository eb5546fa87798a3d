/** Server-sent events over fetch: any event name, our headers, going on after the last id by itself. */
import {Problem, send} from "./client";
import {connection} from "./connection";

export interface ServerEvent {
  id: string | null;
  event: string;
  data: string;
}

/** Follows `path` until the returned function is called or the stream ends by itself ("over" is told then); `after`: the id
 * of the last event that is known already. */
export function follow(path: string, tell: (event: ServerEvent) => void, over?: (problem: Problem | null) => void, after: string | null = null): () => void {
  const stop = new AbortController();
  void run(path, tell, stop.signal, after).then((problem) => {
    if (!stop.signal.aborted) over?.(problem);
  });
  return () => stop.abort();
}

async function run(path: string, tell: (event: ServerEvent) => void, signal: AbortSignal, after: string | null): Promise<Problem | null> {
  let last = after;
  let wait_ms = 300;
  for (;;) {
    try {
      const headers: Record<string, string> = {Accept: "text/event-stream"};
      if (last !== null) headers["Last-Event-ID"] = last;
      const answer = await send(path, {headers, signal});
      await read(answer.body as ReadableStream<Uint8Array>, (event) => {
        wait_ms = 300;
        last = event.id ?? last;
        if (event.event === "finished") last = null;
        tell(event);
      });
      if (signal.aborted) return null;
    } catch (error) {
      if (signal.aborted) return null;
      if (error instanceof Problem && error.status >= 400 && error.status < 500 && error.status !== 429) return error;
      connection.lost();
    }
    await new Promise((resolve) => setTimeout(resolve, wait_ms));
    wait_ms = Math.min(wait_ms * 2, 5000);
    if (signal.aborted) return null;
  }
}

async function read(body: ReadableStream<Uint8Array>, tell: (event: ServerEvent) => void): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as unknown as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parse(block);
      if (event) tell(event);
    }
  }
}

function parse(block: string): ServerEvent | null {
  const event: ServerEvent = {id: null, event: "message", data: ""};
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    if (at <= 0) continue;
    const value = line.slice(at + 1).replace(/^ /, "");
    const name = line.slice(0, at);
    if (name === "id") event.id = value;
    else if (name === "event") event.event = value;
    else if (name === "data") data.push(value);
  }
  if (data.length === 0) return null;
  event.data = data.join("\n");
  return event;
}
