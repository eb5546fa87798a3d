/** Where each level begins, as numbers; the same as dragging its line. */
import {type Level, type Levels, LEVELS} from "../../api/acting";
import {leaveOf, moved} from "./definition";

export function Thresholds({levels, change, isChangeable}: {levels: Levels; change: (levels: Levels) => void; isChangeable: boolean}) {
  const isScore = (levels.on ?? "score") === "score";
  const toggle = (level: Level, isOn: boolean): void => {
    const above = LEVELS.map((one) => levels[one]?.enter).filter((enter) => enter !== undefined);
    const enter = isScore ? {info: 0.99, warning: 0.999, critical: 0.9999}[level] : (above.at(-1) ?? 1);
    change({...levels, [level]: isOn ? {enter, leave: isScore ? leaveOf(enter) : enter} : undefined});
  };
  return (
    <div class="watch-levels" role="group" aria-label="Levels">
      {LEVELS.map((level) => {
        const bound = levels[level];
        return (
          <div key={level} class="watch-level">
            <label class="check">
              <input
                type="checkbox"
                checked={bound != null}
                disabled={!isChangeable}
                onChange={(event) => toggle(level, event.currentTarget.checked)}
              />
              <span class={`act-level act-${level}`}>{level}</span>
            </label>
            {bound && (
              <>
                <label class="small">
                  from
                  <input
                    type="number"
                    step="any"
                    {...(isScore ? {min: 0, max: 1} : {})}
                    value={bound.enter}
                    disabled={!isChangeable}
                    aria-label={`${level} from`}
                    onInput={(event) => {
                      const value = event.currentTarget.valueAsNumber;
                      if (!Number.isNaN(value) && (!isScore || (value >= 0 && value <= 1))) change(moved(levels, level, value));
                    }}
                  />
                </label>
                <label class="small">
                  left at
                  <input
                    type="number"
                    step="any"
                    value={bound.leave ?? bound.enter}
                    disabled={!isChangeable}
                    aria-label={`${level} left at`}
                    onInput={(event) => {
                      const value = event.currentTarget.valueAsNumber;
                      if (!Number.isNaN(value)) change({...levels, [level]: {...bound, leave: value}});
                    }}
                  />
                </label>
              </>
            )}
          </div>
        );
      })}
    </div>
  );
}
