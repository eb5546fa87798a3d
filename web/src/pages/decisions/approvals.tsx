/** Decisions that wait for a person: approved or rejected here, with a reason. */
import {useState} from "preact/hooks";
import type {Decision} from "../../api/acting";
import {type List, post} from "../../api/client";
import {may} from "../../api/session";
import {useResource} from "../../resource";
import {announce, Time} from "../../ui";
import {Ask} from "../processing/ask";
import {LevelTag} from "../processing/parts-acting";
import {decisionHref, eventWords, makerOf} from "../processing/words";

export function Answer({decision, done}: {decision: Decision; done: () => void}) {
  const [verdict, ask] = useState<"approve" | "reject" | null>(null);
  if (!may("actions:write")) return null;
  const what = `${makerOf(decision)} → ${decision.action}`;
  const go = async (reason: string): Promise<void> => {
    await post(`/v1/decisions/${decision.id}/${verdict}`, reason ? {reason} : {});
    announce(verdict === "approve" ? "Approved" : "Rejected");
    done();
  };
  return (
    <>
      <button class="primary" aria-label={`Approve: ${what}`} onClick={() => ask("approve")}>
        Approve
      </button>
      <button class="danger" aria-label={`Reject: ${what}`} onClick={() => ask("reject")}>
        Reject
      </button>
      {verdict && (
        <Ask
          title={verdict === "approve" ? "Approve it" : "Reject it"}
          act={verdict === "approve" ? "Approve" : "Reject"}
          reason="Why (optional)"
          isDanger={verdict === "reject"}
          go={go}
          close={() => ask(null)}>
          <p>
            {what}. {verdict === "approve" ? "It is sent at once." : "It will never be sent."}
          </p>
        </Ask>
      )}
    </>
  );
}

export function Approvals() {
  const held = useResource<List<Decision>>("/v1/decisions?state=held&limit=20", {on: ["decision.", "anomaly."], every: 5000});
  const items = held.data?.items ?? [];
  if (items.length === 0) return null;
  return (
    <section class="section" aria-label="Waiting for approval">
      <h2>Waiting for approval</h2>
      <ul class="card act-waiting">
        {items.map((one) => (
          <li key={one.id} class="bar apart">
            <span class="bar grow">
              <LevelTag level={one.level} />
              <a href={decisionHref(one.id)}>
                <b>{makerOf(one)}</b> {eventWords(one.event)} → {one.action}
              </a>
              <span class="soft small">
                {one.reason} <Time at={one.decided_at} />
              </span>
            </span>
            <span class="bar">
              <Answer decision={one} done={held.refresh} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
