/** Tokens for programs: made with scopes of one's own, shown once, revoked at once. */
import {useState} from "preact/hooks";
import {post, Problem, remove, type List} from "../../api/client";
import {session} from "../../api/session";
import {useResource} from "../../resource";
import {Copy, Dialog, Empty, ProblemBox, Shown, Table, Time} from "../../ui";

interface Token { id: string; name: string; user: string; scopes: string[]; created_at: string; expires_at: string | null }

export function Tokens() {
  const tokens = useResource<List<Token>>("/v1/tokens");
  const [isMaking, making] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const revoke = (id: string): void => void remove(`/v1/tokens/${id}`).then(tokens.refresh, fail);
  return (
    <section class="section">
      <div class="bar apart"><h2>Tokens for programs</h2><button onClick={() => making(true)}>New token</button></div>
      {problem && <ProblemBox problem={problem} />}
      <Shown resource={tokens}>{({items}) => items.length === 0
        ? <Empty title="No tokens yet"><span>A token lets a program of yours do what its scopes say, until it expires.</span></Empty>
        : (
          <Table label="Tokens" head={["Name", "May", "Expires", ""]}>
            {items.map((token) => (
              <tr key={token.id}>
                <th scope="row">{token.name}</th><td class="small soft">{token.scopes.join(", ")}</td>
                <td>{token.expires_at ? <Time at={token.expires_at} /> : "never"}</td>
                <td><button class="quiet danger" onClick={() => revoke(token.id)}>Revoke<span class="sr"> {token.name}</span></button></td>
              </tr>
            ))}
          </Table>
        )}</Shown>
      {isMaking && <MakeToken close={() => (making(false), tokens.refresh())} />}
    </section>
  );
}

function MakeToken({close}: {close: () => void}) {
  const [made, show] = useState<string | null>(null);
  const [problem, fail] = useState<Problem | null>(null);
  const make = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const body = {name: String(form.get("name")), scopes: form.getAll("scope").map(String), expires_in: String(form.get("expires_in"))};
    post<{token: string}>("/v1/tokens", body).then(({token}) => show(token), fail);
  };
  if (made) {
    return (
      <Dialog title="Your new token" close={close}>
        <p>It is shown this once. Programs take it from the environment variable <code>SURICATE_TOKEN</code>.</p>
        <Copy text={made} label="Copy the token" />
        <div class="bar"><button class="primary" onClick={close}>Done</button></div>
      </Dialog>
    );
  }
  return (
    <Dialog title="New token" close={close}>
      <form class="section" onSubmit={make}>
        {problem && <ProblemBox problem={problem} />}
        <label class="field">Name<input name="name" required maxLength={100} placeholder="what it is for" /></label>
        <fieldset>
          <legend><b>It may</b></legend>
          <div class="fields">
            {session.value?.scopes.map((scope) => (
              <label class="check" key={scope}><input type="checkbox" name="scope" value={scope} defaultChecked={scope !== "admin"} />{scope}</label>
            ))}
          </div>
        </fieldset>
        <label class="field">Expires
          <select name="expires_in" defaultValue="30d">
            <option value="1d">in a day</option><option value="30d">in 30 days</option>
            <option value="365d">in a year</option><option value="never">never</option>
          </select>
        </label>
        <div class="bar"><button class="primary">Make it</button><button type="button" onClick={close}>Cancel</button></div>
      </form>
    </Dialog>
  );
}
