/** What is in an object: its table with a chart, its picture, or its first lines. */
import {inPath} from "../../api/client";
import type {ObjectInfo, Preview} from "../../api/types";
import {AutoChart} from "../../charts";
import {useResource} from "../../resource";
import {count, plural} from "../../text";
import {Shown} from "../../ui";
import {RecipesThatFit} from "../recipes";
import {PreviewTable} from "./preview-table";
import {ReplayButton} from "./replay";

const PICTURE = /^image\/(png|jpeg|gif|webp|avif|svg\+xml)$/;
const PICTURE_MAX = 32 << 20;

export function PreviewTab({info}: {info: ObjectInfo}) {
  const path = `/v1/objects/${inPath(info.name)}`;
  const isPicture = PICTURE.test(info.type) && info.size <= PICTURE_MAX;
  const preview = useResource<Preview>(isPicture ? null : `${path}?view=preview&version=${info.version}&wait=30s`);
  if (isPicture) {
    return <figure class="card pad picture"><img src={`${path}?version=${info.version}`} alt={`The picture ${info.name}`} /></figure>;
  }
  return (
    <>
      <Shown resource={preview} what="Reading the file">{(one) => (
        <>
          {one.warnings.map((warning) => <p key={warning} class="note">{warning}</p>)}
          {one.columns?.length ? <TableParts info={info} preview={one} /> : <Lines preview={one} />}
        </>
      )}</Shown>
    </>
  );
}

function TableParts({info, preview}: {info: ObjectInfo; preview: Preview}) {
  return (
    <>
      <div class="facts">
        <span>{plural(preview.rows, "row")}</span><span>{plural(preview.columns.length, "column")}</span>
        {preview.delimiter && preview.delimiter !== "," && <span>separated by {JSON.stringify(preview.delimiter)}</span>}
        {preview.encoding && preview.encoding !== "utf-8" && <span>{preview.encoding}</span>}
        {!preview.complete && <span>the beginning of the file</span>}
      </div>
      <section class="card pad"><AutoChart preview={preview} /></section>
      {info.latest && <RecipesThatFit object={info.name} />}
      <section class="section">
        <PreviewTable preview={preview} />
        {preview.rows > preview.sample.length &&
          <p class="soft small">The first {count(preview.sample.length)} of {plural(preview.rows, "row")}.</p>}
      </section>
      {info.latest && <section class="section"><h2>Make it live</h2><ReplayButton object={info.name} /></section>}
    </>
  );
}

function Lines({preview}: {preview: Preview}) {
  const lines = (preview.sample ?? []).map((row) => String(row[0] ?? ""));
  if (preview.kind === "binary" || lines.length === 0) {
    return <p class="soft">There is no table in this file ({preview.kind}). Download it to see it.</p>;
  }
  return (
    <section class="section" aria-label="First lines">
      <pre class="card pad json" tabIndex={0}>{lines.join("\n")}</pre>
      {preview.rows > lines.length && <p class="soft small">The first {count(lines.length)} of {plural(preview.rows, "line")}.</p>}
    </section>
  );
}
