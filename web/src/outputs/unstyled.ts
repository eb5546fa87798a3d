/** Markup whose style attributes have another name and whose style sheets are gone, so that reading it makes the browser's content security policy say nothing.
 * Nothing relies on it for safety: what is left of styles is taken away where markup is sanitised. */

const TAG = /<[a-zA-Z][^\s/>]*(?:"[^"]*"|'[^']*'|[^"'>])*>/g;
const STYLE = /("[^"]*"|'[^']*')|([\s/"'])style(?=\s*=)/gi;

export const RENAMED = "data-style";

export function unstyled(markup: string): string {
  if (!/style\s*=/i.test(markup)) return markup;
  const renamed = (found: string, quoted: string | undefined, before: string): string => (quoted === undefined ? `${before}${RENAMED}` : found);
  return markup.replace(TAG, (tag) => tag.replace(STYLE, renamed));
}

const SHEET = /<style\b[^>]*>([\s\S]*?)<\/style\s*>/gi;
/** pandas' own sheet for its tables; ours does the same. */
const QUIET_SHEET = /^[\s}]*((\.dataframe|table\.dataframe)[^{}]*\{[^{}]*\}\s*)*$/;

export function withoutSheets(html: string): {html: string; isMissed: boolean} {
  if (!/<style/i.test(html)) return {html, isMissed: false};
  let isMissed = false;
  const rest = html.replace(SHEET, (_, sheet: string) => {
    isMissed ||= !QUIET_SHEET.test(sheet.replace(/\/\*.*?\*\//gs, ""));
    return "";
  });
  const isOpen = /<style\b/i.test(rest);
  return {html: isOpen ? rest.replace(/<style\b/gi, "<x-style") : rest, isMissed: isMissed || isOpen};
}
