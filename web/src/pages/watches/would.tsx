/** What a back-test says, in words and as lists: the same as now, new, no more. */
import type {Backtest, WouldBe} from "../../api/acting";
import {count, dateTime, plural} from "../../text";
import {LevelTag} from "../processing/parts-acting";
import {type Difference, eventWords, figure, keyWords, score} from "../processing/words";

const SHOWN = 100;

function Line({decision, mark}: {decision: WouldBe; mark: "same" | "new" | "gone"}) {
  const grounds = decision.grounds;
  return (
    <li class={`watch-would ${mark}`}>
      <span class="mark" aria-hidden="true">
        {{same: "", new: "+", gone: "−"}[mark]}
      </span>
      <span class="sr">{{same: "", new: "new: ", gone: "no more: "}[mark]}</span>
      <time class="number small">{decision.window ? dateTime(decision.window.end) : ""}</time>
      <span class="cut">{decision.key ? keyWords(decision.key) : ""}</span>
      <span>
        {eventWords(decision.event)} <LevelTag level={decision.level} />
      </span>
      <span class="soft small number">
        {grounds && typeof grounds["score"] === "number" ? `score ${score(grounds["score"])}` : ""}
        {grounds && typeof grounds["value"] === "number" ? ` at ${figure(grounds["value"])}` : ""}
      </span>
      <span class="soft small cut">{decision.action ? `→ ${decision.action}` : ""}</span>
    </li>
  );
}

const time = (decision: WouldBe): string => decision.window?.end ?? "";

/** `answer` of the present definition, or `difference` between two. */
export function Would({answer, decisions, difference}: {answer: Backtest; decisions: WouldBe[]; difference: Difference | null}) {
  const marked: {decision: WouldBe; mark: "same" | "new" | "gone"}[] = difference
    ? [
        ...difference.both.map((decision) => ({decision, mark: "same" as const})),
        ...difference.only.map((decision) => ({decision, mark: "new" as const})),
        ...difference.gone.map((decision) => ({decision, mark: "gone" as const})),
      ]
    : decisions.map((decision) => ({decision, mark: "same" as const}));
  marked.sort((a, b) => (time(a.decision) < time(b.decision) ? 1 : -1));
  const compared = difference ? null : answer.compared;
  return (
    <div class="section">
      <p role="status">
        <b>{plural(decisions.length, "decision")}</b> in {plural(answer.windows, "window")} of {plural(answer.messages, "message")}
        {answer.keys > 1 ? ` and ${plural(answer.keys, "key")}` : ""}.
        {difference && (
          <>
            {" "}
            {count(difference.both.length)} as now, <b class="watch-new">{count(difference.only.length)} new</b>,{" "}
            <b class="watch-gone">{count(difference.gone.length)} no more</b>.
          </>
        )}
        {compared && compared.live > 0 && (
          <>
            {" "}
            {compared.same === compared.live && compared.differ.length === 0
              ? `The ${plural(compared.live, "decision")} made live ${compared.live === 1 ? "is" : "are"} the same.`
              : `Of ${plural(compared.live, "decision")} made live, ${count(compared.same)} are the same.`}
          </>
        )}
        {answer.truncated && " There are more than are listed."}
      </p>
      {marked.length > 0 && (
        <ol class="card watch-woulds" tabIndex={0} aria-label="What would be decided">
          {marked.slice(0, SHOWN).map(({decision, mark}) => (
            <Line key={mark + decision.id + decision.event} decision={decision} mark={mark} />
          ))}
          {marked.length > SHOWN && <li class="soft small watch-would">and {count(marked.length - SHOWN)} more</li>}
        </ol>
      )}
    </div>
  );
}
