/** Markup whose style attributes and event handlers have another name and whose style sheets are gone, so that the browser's
 * content security policy says nothing when it is read. Nothing relies on it for safety: sanitising takes away what is left. */

const TAG = /<[a-zA-Z][^\s/>]*(?:"[^"]*"|'[^']*'|[^"'>])*>/g;
const ACTING = /("[^"]*"|'[^']*')|([\s/"'])(style|on[a-z]+)(?=\s*=)/gi;

export const RENAMED = {style: "data-style", handler: "data-on"};

export function unstyled(markup: string): string {
  if (!/(style|on[a-z]+)\s*=/i.test(markup)) return markup;
  const renamed = (found: string, quoted: string | undefined, before: string, name: string): string =>
    (quoted === undefined ? `${before}data-${name.toLowerCase()}` : found);
  return markup.replace(TAG, (tag) => tag.replace(ACTING, renamed));
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
