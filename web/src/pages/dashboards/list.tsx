/** Dashboards: what is published, and where. */
import {useState} from "preact/hooks";
import {inPath, type List, Problem, remove} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {announce, Dialog, Empty, ProblemBox, Shown, Time} from "../../ui";
import type {Dashboard} from "./model";
import "./dashboards.css";

function TakeDown({dashboard, close}: {dashboard: Dashboard; close: () => void}) {
  const [problem, fail] = useState<Problem | null>(null);
  const take = (): void => void remove(`/v1/dashboards/${dashboard.slug}`).then(() => {
    announce(`${dashboard.title} was taken down`);
    close();
  }, (error: Problem) => fail(error));
  return (
    <Dialog title={`Take ${dashboard.title} down?`} close={close}>
      <p>Its address /d/{dashboard.slug} shows nothing any more. What it showed stays as it is.</p>
      {problem && <ProblemBox problem={problem} />}
      <div class="bar"><button class="danger" onClick={take}>Take it down</button><button onClick={close}>Leave it</button></div>
    </Dialog>
  );
}

function Item({dashboard, takeDown}: {dashboard: Dashboard; takeDown: () => void}) {
  const {slug, title, notebook, run} = dashboard;
  return (
    <li class="card pad dash-item">
      <h2><a href={`/d/${slug}`}>{title}</a></h2>
      <p class="soft small">
        {notebook ? <>notebook <a href={`/notebooks/${inPath(notebook)}`}>{notebook}</a></> : <>run <a href={`/runs/${run}`}>{run}</a></>}
        {dashboard.show_code && ", with its code"}
      </p>
      <div class="bar apart">
        <span class="soft small">published <Time at={dashboard.changed_at} /> by {dashboard.changed_by}</span>
        <span class="bar">
          <a class="quiet button" href={`/d/${slug}?kiosk=1`} aria-label={`${title} without the frame`}>Kiosk</a>
          {may("notebooks:write") && <button class="quiet danger" aria-label={`Take ${title} down`} onClick={takeDown}>Take down</button>}
        </span>
      </div>
    </li>
  );
}

export default function Dashboards() {
  const list = useResource<List<Dashboard>>("/v1/dashboards?limit=1000", {on: ["dashboard."]});
  const [leaving, takeDown] = useState<Dashboard | null>(null);
  return (
    <div class="page">
      <div class="head"><h1>Dashboards</h1><p class="soft">Notebooks and runs to be read, each at an address of its own.</p></div>
      <Shown resource={list} what="Reading the dashboards">
        {({items}) => (items.length === 0
          ? <Empty title="Nothing is published yet">
            <p>Open a notebook or a run and choose <b>Publish</b>.</p>
            <div class="bar"><a class="button primary" href="/notebooks">Notebooks</a><a class="button" href="/runs">Runs</a></div>
          </Empty>
          : <ul class="grid dash-list">{items.map((item) => <Item key={item.slug} dashboard={item} takeDown={() => takeDown(item)} />)}</ul>)}
      </Shown>
      {leaving && <TakeDown dashboard={leaving} close={() => takeDown(null)} />}
    </div>
  );
}
