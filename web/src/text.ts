/** Numbers, sizes and times in words. */

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", {notation: "compact", maximumFractionDigits: 1});

export const count = (value: number): string => whole.format(value);
export const compact = (value: number): string => (Math.abs(value) < 10_000 ? whole.format(Math.round(value * 100) / 100) : short.format(value));

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) {
    value /= 1024;
    at++;
  }
  return `${at === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}

export function seconds(value: number): string {
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
  if (value < 86_400) return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86_400)} d ${Math.round((value % 86_400) / 3600)} h`;
}

/** "3 s ago", "5 min ago", "2 h 10 min ago". */
export function ago(time: string | number, now = Date.now()): string {
  const since = Math.round((now - new Date(time).getTime()) / 1000);
  if (since < 0) return `in ${seconds(-since)}`;
  if (since < 2) return "just now";
  return `${since < 60 ? `${since} s` : since < 3600 ? `${Math.floor(since / 60)} min` : seconds(since)} ago`;
}

export function clock(time: string | number): string {
  return new Date(time).toLocaleTimeString("en-GB");
}

export function dateTime(time: string | number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : `${date.toLocaleDateString("en-CA")} ${date.toLocaleTimeString("en-GB")}`;
}
