/** Settings of this person in this browser, and where tokens are made. */
import {session} from "../../api/session";
import {singleKeys} from "../../shell/keys";
import {theme} from "../../shell/theme";
import {Tokens} from "./tokens";

export default function Settings() {
  return (
    <div class="page">
      <h1>Settings</h1>
      <section class="card pad section">
        <h2>This browser</h2>
        <label class="field">Colours
          <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as typeof theme.value)}>
            <option value="system">as the system has them</option><option value="light">light</option><option value="dark">dark</option>
          </select>
        </label>
        <label class="check"><input type="checkbox" checked={singleKeys.value} onChange={(event) => {
          singleKeys.value = event.currentTarget.checked;
          localStorage.setItem("suricate.keys", singleKeys.value ? "on" : "off");
        }} />Keys without Ctrl (g o, /, ?)</label>
      </section>
      <section class="card pad section">
        <h2>You</h2>
        <p>Signed in as <b>{session.value?.user}</b> of tenant <b>{session.value?.tenant}</b>.</p>
        <p class="soft">You may: {session.value?.scopes.join(", ")}.</p>
        <p class="soft">
          The API describes itself at <a href="/v1/openapi.json" target="_blank" rel="noreferrer">/v1/openapi.json</a>.
        </p>
      </section>
      <Tokens />
    </div>
  );
}
