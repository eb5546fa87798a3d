/** When which level was reached: a lane for what is decided now, one for what would be decided. */
import {dateTime} from "../../text";
import {type Stretch, stretches} from "./episodes";
import type {WouldBe} from "../../api/acting";

const W = 1000;
const H = 16;

export interface Lane {
  name: string;
  decisions: WouldBe[];
}

export function Lanes({lanes, range}: {lanes: Lane[]; range: [from_ms: number, to_ms: number]}) {
  const [from, to] = range;
  const span = Math.max(1, to - from);
  const x = (at: number): number => Math.max(0, Math.min(W, ((at - from) / span) * W));
  const told = (one: Stretch): string => `${one.level}: ${dateTime(one.from_ms)}${one.to_ms ? ` to ${dateTime(one.to_ms)}` : ", still"}`;
  return (
    <div class="watch-lanes">
      {lanes.map(({name, decisions}) => {
        const all = stretches(decisions).filter((one) => (one.to_ms ?? to) >= from && one.from_ms <= to);
        return (
          <div key={name} class="watch-lane">
            <span class="small soft">{name}</span>
            <svg
              viewBox={`0 0 ${W} ${H}`}
              preserveAspectRatio="none"
              role="img"
              aria-label={`${name}: ${all.length === 0 ? "nothing" : all.slice(0, 20).map(told).join("; ")}`}>
              <rect class="floor" width={W} height={H} />
              {all.map((one) => (
                <rect
                  key={one.from_ms + one.level}
                  class={`stretch-${one.level}`}
                  x={x(one.from_ms)}
                  width={Math.max(3, x(one.to_ms ?? to) - x(one.from_ms))}
                  height={H}>
                  <title>{told(one)}</title>
                </rect>
              ))}
            </svg>
          </div>
        );
      })}
    </div>
  );
}
