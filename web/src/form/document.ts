/** A JSON document that a form edits: places in it are JSON pointers, as the server's errors give them. Pure. */
import type {Json} from "../api/acting";

export type Document = {[name: string]: Json | undefined};

const steps = (at: string): string[] => at.split("/").slice(1);

export function get(document: Document, at: string): Json | undefined {
  let found: Json | undefined = document as Json;
  for (const step of steps(at)) {
    if (found === null || typeof found !== "object") return undefined;
    found = (found as {[name: string]: Json})[step];
  }
  return found;
}

/** The document with another value there; undefined takes it out, and objects that became empty with it. */
export function set(document: Document, at: string, value: Json | undefined): Document {
  const put = (place: Json | undefined, path: string[]): Json | undefined => {
    const [step, ...rest] = path;
    if (step === undefined) return value;
    if (Array.isArray(place)) {
      const copy = [...place];
      const made = put(place[Number(step)], rest);
      if (made === undefined) copy.splice(Number(step), 1);
      else copy[Number(step)] = made;
      return copy;
    }
    const copy: {[name: string]: Json | undefined} = {...(place !== null && typeof place === "object" ? place : {})};
    const made = put(copy[step], rest);
    if (made === undefined) delete copy[step];
    else copy[step] = made;
    return rest.length > 0 && made === undefined && Object.keys(copy).length === 0 ? undefined : (copy as Json);
  };
  return (put(document as Json, steps(at)) ?? {}) as Document;
}

/** "levels.critical.enter" and "/levels/critical/enter" are one place. */
export const pointerOf = (field: string): string => (field.startsWith("/") ? field : `/${field.replace(/\[(\d+)\]/g, ".$1").replace(/\./g, "/")}`);
