/** Levels in the form: of the score, or of the value itself. */
import type {Json, Levels} from "../../api/acting";
import type {Document} from "../../form";
import {levelsOf} from "./definition";
import {Thresholds} from "./thresholds";

export function LevelsField({document, change}: {document: Document; change: (document: Document) => void}) {
  const levels = (document["levels"] ?? {}) as Levels;
  const isValue = levels.on === "value";
  return (
    <fieldset>
      <legend>Levels</legend>
      <div class="form-checks">
        <label class="check">
          <input type="radio" checked={!isValue} onChange={() => change({...document, levels: levelsOf("normal") as Json})} />
          of the score: how rarely this is seen
        </label>
        <label class="check">
          <input type="radio" checked={isValue} onChange={() => change({...document, levels: {on: "value", critical: {enter: 100, leave: 100}}})} />
          of the value itself
        </label>
      </div>
      <Thresholds levels={levels} isChangeable change={(next) => change({...document, levels: next as Json})} />
    </fieldset>
  );
}
