/** All outgoing actions are stopped: said on every page, by whom and why. */
import {useEffect, useState} from "preact/hooks";
import type {Switch} from "../api/acting";
import {useResource} from "../resource";

const SOON_MS = 800; // what is on the page comes first

export function Stopped() {
  const [isAsked, ask] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => ask(true), SOON_MS);
    return () => clearTimeout(timer);
  }, []);
  const found = useResource<Switch>(isAsked ? "/v1/switch" : null, {on: ["actions."]}).data;
  if (found?.actions !== "stopped") return null;
  return (
    <div class="stopped" role="status">
      <b>All actions are stopped.</b> {found.reason && <span>{found.reason}</span>} <a href="/processing/actions">Let them run again</a>
    </div>
  );
}
