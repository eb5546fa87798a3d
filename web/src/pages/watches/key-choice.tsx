/** Which key of a watch is looked at: kept in the address; at first the one that is worst. */
import type {WatchInfo, WatchKey} from "../../api/acting";
import type {List} from "../../api/client";
import {address, navigate, withQuery} from "../../router";
import {useResource} from "../../resource";
import {keyWords, watchPath} from "../processing/words";

const OFFERED = 200;

const isKeyed = (watch: WatchInfo): boolean => (watch.definition.by?.length ?? 0) > 0;

function useKeys(watch: WatchInfo, state: string, limit: number): WatchKey[] | null {
  const path = isKeyed(watch) ? `${watchPath(watch.name)}/keys?limit=${limit}${state && `&state=${state}`}` : null;
  return useResource<List<WatchKey>>(path, {on: ["anomaly."]}).data?.items ?? null;
}

/** [key, is it known already?]; null: the watch has none. */
export function useKey(watch: WatchInfo): [string | null, boolean] {
  const asked = address.value.query.get("key");
  const firing = useKeys(watch, "firing", 1);
  const any = useKeys(watch, "", 1);
  if (!isKeyed(watch)) return [null, true];
  if (asked !== null) return [asked, true];
  return [firing?.[0]?.key ?? any?.[0]?.key ?? null, firing !== null && any !== null];
}

export function KeyChoice({watch, value}: {watch: WatchInfo; value: string | null}) {
  const keys = useKeys(watch, "", OFFERED) ?? [];
  if (!isKeyed(watch)) return <span />;
  const offered =
    keys.some((one) => one.key === value) || value === null ? keys.map((one) => one.key ?? "") : [value, ...keys.map((one) => one.key ?? "")];
  return (
    <span class="bar">
      <label class="bar">
        {watch.definition.by?.join(", ")}
        <select value={value ?? ""} onChange={(event) => navigate(withQuery({key: event.currentTarget.value}), {replace: true})}>
          {offered.map((key) => (
            <option key={key} value={key}>
              {keyWords(key)}
            </option>
          ))}
        </select>
      </label>
      {watch.keys > keys.length && (
        <a class="small" href={withQuery({tab: "keys"})}>
          all keys
        </a>
      )}
    </span>
  );
}
