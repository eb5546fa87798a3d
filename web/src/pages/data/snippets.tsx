/** How to push to a stream, ready to be pasted. The token stays out of it. */
import {inPath} from "../../api/client";
import {Copy} from "../../ui";

export function PushSnippets({name}: {name: string}) {
  const place = `${location.origin}/v1/streams/${inPath(name)}/messages`;
  const curl = [`curl -H "Authorization: Bearer $SURICATE_TOKEN" -H "Content-Type: application/json" \\`,
    `  -d '{"sensor": "oven", "celsius": 180.5}' \\`, `  ${place}`].join("\n");
  const python = [`import suricate as s  # with SURICATE_URL=${location.origin} and SURICATE_TOKEN in the environment`, "",
    `s.push(${JSON.stringify(name)}, [{"sensor": "oven", "celsius": 180.5}])`].join("\n");
  return (
    <section class="card pad section">
      <h2>Push to it</h2>
      <p>Nothing has come yet. A message is any JSON value, many are an array or lines; they are on disk when the answer comes.</p>
      <h3>From a shell</h3><Copy text={curl} label="Copy the curl line" />
      <h3>From Python</h3><Copy text={python} label="Copy the Python lines" />
      <p class="hint">A token is made in the <a href="/settings">settings</a>, or by <code>suricate token create NAME</code>.</p>
    </section>
  );
}
