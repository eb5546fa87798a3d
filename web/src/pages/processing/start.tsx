/** Start a notebook that follows: which one, which stream, with which parameters. */
import {useEffect, useState} from "preact/hooks";
import {api, inPath, type List, post, Problem} from "../../api/client";
import {navigate} from "../../router";
import {Dialog, Loading, ProblemBox} from "../../ui";
import type {Run} from "../runs/model";
import {type Parameter, ParameterFields, type Typed, typedFrom, valuesOf} from "../runs/parameters";
import {codeOf, type Notebook} from "./convert";
import {FollowThis} from "./follow-this";

interface Chosen {
  name: string;
  follows: boolean;
  parameters: Parameter[];
}

async function look(name: string): Promise<Chosen> {
  const [notebook, parameters] = await Promise.all([
    api<Notebook>(`/v1/notebooks/${inPath(name)}`), api<List<Parameter>>(`/v1/notebooks/${inPath(name)}?view=parameters`),
  ]);
  return {name, follows: /\b(follow|tail)\(/.test(codeOf(notebook.cells)), parameters: parameters.items};
}

const STREAM = /^(stream|source|stream_name)$/;

function WithParameters({chosen, stream, close}: {chosen: Chosen; stream: string | null; close: () => void}) {
  const [typed, type] = useState<Typed>(() => {
    const typed = typedFrom(chosen.parameters, {});
    const place = chosen.parameters.find((parameter) => STREAM.test(parameter.name));
    return stream && place ? {...typed, [place.name]: stream} : typed;
  });
  const [streams, know] = useState<string[]>([]);
  const [problem, fail] = useState<Problem | {title: string; detail: string} | null>(null);
  useEffect(() => void api<List<{name: string}>>("/v1/streams?limit=500").then((list) => know(list.items.map((item) => item.name)), () => undefined), []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      const run = await post<Run>("/v1/runs", {notebook: chosen.name, follow: true, parameters: valuesOf(chosen.parameters, typed)});
      close();
      navigate(`/processing/${run.id}`);
    } catch (error) {
      fail(error instanceof Problem ? error : {title: "Not a value for that parameter", detail: (error as Error).message});
    }
  };
  const choices = Object.fromEntries(chosen.parameters.filter((parameter) => STREAM.test(parameter.name)).map((parameter) => [parameter.name, streams]));
  return (
    <form class="section" onSubmit={(event) => void submit(event)}>
      <ParameterFields parameters={chosen.parameters} typed={typed} set={type} choices={choices} />
      {problem && <ProblemBox problem={problem} />}
      <div class="bar"><button class="primary" type="submit">Start</button><button type="button" onClick={close}>Leave it</button></div>
    </form>
  );
}

/** `notebook` and `stream` are what is chosen already. */
export function Start({notebook, stream, close}: {notebook: string | null; stream: string | null; close: () => void}) {
  const [names, know] = useState<string[] | null>(null);
  const [chosen, choose] = useState<Chosen | null>(null);
  const [name, setName] = useState(notebook ?? "");
  const [isConverting, convert] = useState(false);
  const [problem, fail] = useState<Problem | null>(null);
  const take = (error: unknown): void => {
    if (error instanceof Problem) fail(error);
  };
  useEffect(() => void api<List<{name: string}>>("/v1/notebooks?limit=1000").then((list) => know(list.items.map((item) => item.name)), take), []);
  useEffect(() => {
    choose(null);
    fail(null);
    if (name) look(name).then(choose, take);
  }, [name]);
  if (isConverting && chosen) return <FollowThis notebook={chosen.name} close={close} />;
  return (
    <Dialog title="Start a notebook that follows" close={close}>
      <div class="section">
        {!names && !problem && <Loading what="Reading the notebooks" />}
        {names && (
          <label class="field">Notebook
            <select value={name} onChange={(event) => setName(event.currentTarget.value)}>
              <option value="">choose one</option>
              {names.map((each) => <option key={each} value={each}>{each}</option>)}
            </select>
          </label>
        )}
        {name && !chosen && !problem && <Loading what="Reading it" />}
        {chosen && !chosen.follows && (
          <div class="note section">
            <p>It follows no stream: nothing in it calls <code>s.follow</code>. It can be made into one that does.</p>
            <div><button onClick={() => convert(true)}>Follow this …</button></div>
          </div>
        )}
        {chosen?.follows && <WithParameters key={chosen.name} chosen={chosen} stream={stream} close={close} />}
        {problem && <ProblemBox problem={problem} />}
      </div>
    </Dialog>
  );
}
