/** Objects and streams: the two kinds of data. */
import {address} from "../../router";

export function DataNav() {
  const isStreams = address.value.path.startsWith("/data/streams");
  return (
    <nav class="tabs" aria-label="Kinds of data">
      <a href="/data" aria-current={isStreams ? undefined : "page"}>Objects</a>
      <a href="/data/streams" aria-current={isStreams ? "page" : undefined}>Streams</a>
    </nav>
  );
}
