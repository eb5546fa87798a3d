/** Publish a notebook or a run as a page to be read, at an address of its own. */
import {useState} from "preact/hooks";
import {Problem, put} from "../../api/client";
import {Copy, Dialog, ProblemBox} from "../../ui";
import type {Dashboard} from "./model";

export interface PublishProps {
  /** A notebook's name, or a run's id. */
  notebook?: string;
  run?: string;
  title?: string;
  close: () => void;
}

/** What an address may be made of. */
export function slugOf(text: string): string {
  const plain = text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/\.ipynb$/, "");
  return plain.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64) || "dashboard";
}

function Done({made, close}: {made: Dashboard; close: () => void}) {
  const address = `${location.origin}/d/${made.slug}`;
  return (
    <div class="section">
      <p>It stands at this address, for everybody who can sign in here, and keeps itself up to date.</p>
      <Copy text={address} label="Copy the address" />
      <div class="bar"><a class="button primary" href={`/d/${made.slug}`}>Open it</a>
        <a class="button" href={`/d/${made.slug}?kiosk=1`}>Without the frame</a><button onClick={close}>Done</button></div>
    </div>
  );
}

export function Publish({notebook, run, title = "", close}: PublishProps) {
  const begin = title || notebook || "Dashboard";
  const [name, setName] = useState(begin.replace(/\.ipynb$/, ""));
  const [slug, setSlug] = useState<string | null>(null);
  const [showCode, setCode] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const [made, done] = useState<Dashboard | null>(null);
  const address = slug ?? slugOf(name);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      const what = run ? {run} : {notebook};
      done(await put<Dashboard>(`/v1/dashboards/${encodeURIComponent(address)}`, {...what, title: name, show_code: showCode}));
    } catch (error) {
      if (error instanceof Problem) fail(error);
    }
  };
  return (
    <Dialog title="Publish as a dashboard" close={close}>
      {made ? <Done made={made} close={close} /> : (
        <form class="section" onSubmit={(event) => void submit(event)}>
          <p class="soft">Its texts and outputs, to be read. {run ? "It shows this run, while it goes on too."
            : "It follows the notebook: whatever is run in it appears."}</p>
          <label class="field">Title<input value={name} required maxLength={200} onInput={(event) => setName(event.currentTarget.value)} /></label>
          <label class="field">Address
            <input value={address} required pattern="[a-z0-9][a-z0-9\-]*" maxLength={64} spellcheck={false}
              onInput={(event) => setSlug(event.currentTarget.value)} />
            <span class="hint">{location.origin}/d/{address}</span>
          </label>
          <label class="check">
            <input type="checkbox" checked={showCode} onChange={(event) => setCode(event.currentTarget.checked)} />Show the code too
          </label>
          {problem && <ProblemBox problem={problem} />}
          <div class="bar"><button class="primary" type="submit">Publish</button><button type="button" onClick={close}>Leave it</button></div>
        </form>
      )}
    </Dialog>
  );
}
