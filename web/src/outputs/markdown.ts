/** Markdown to harmless nodes. Formulas become elements with `data-tex`, drawn later (math.ts). */
import {Marked, type TokenizerAndRendererExtension, type Tokens} from "marked";
import {sanitised, type Attachments} from "./sanitise";

const LONGEST = 200_000;
/** $$…$$, then $…$ (no blank inside its dollars, no digit behind, so that prices stay prices), \(…\) and \[…\]. */
const INLINE = new RegExp([/\$\$([^$]+?)\$\$/, /\$(?![\s$])((?:\\[\s\S]|[^$\\])*?[^\s\\])\$(?!\d)/, /\$(?![\s$])(\S)\$(?!\d)/,
  /\\\\?\(([\s\S]{1,1000}?)\\\\?\)/, /\\\\?\[([\s\S]{1,1000}?)\\\\?\]/].map((way) => `^${way.source}`).join("|"));
const BLOCK = /^ {0,3}(?:\$\$([\s\S]{1,4000}?)\$\$|\\\\?\[([\s\S]{1,4000}?)\\\\?\]|(\\begin\{([a-z]+\*?)\}[\s\S]{1,4000}?\\end\{\4\})) *(?:\n+|$)/;

const escaped = (text: string): string => text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);
const element = (tag: string, tex: string, isDisplay: boolean): string =>
  `<${tag} data-tex="${escaped(tex)}"${isDisplay ? ' data-display="1"' : ""}>${escaped(tex)}</${tag}>`;

const inlineMath: TokenizerAndRendererExtension = {
  name: "inlineMath", level: "inline",
  start: (text) => /\$|\\\\?[([]/.exec(text)?.index,
  tokenizer(text) {
    const found = INLINE.exec(text);
    if (!found) return undefined;
    const tex = found[1] ?? found[2] ?? found[3] ?? found[4] ?? found[5] ?? "";
    return {type: "inlineMath", raw: found[0], tex, isDisplay: found[1] !== undefined || found[5] !== undefined};
  },
  renderer: (token) => element("span", String(token["tex"]), Boolean(token["isDisplay"])),
};

const blockMath: TokenizerAndRendererExtension = {
  name: "blockMath", level: "block",
  start: (text) => /(?:^|\n) {0,3}(?:\$\$|\\\\?\[|\\begin\{)/.exec(text)?.index,
  tokenizer(text) {
    const found = BLOCK.exec(text);
    return found ? {type: "blockMath", raw: found[0], tex: found[1] ?? found[2] ?? found[3] ?? ""} : undefined;
  },
  renderer: (token) => element("div", String(token["tex"]), true),
};

const marked = new Marked({
  gfm: true, async: false, extensions: [inlineMath, blockMath],
  renderer: {
    checkbox: ({checked}: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
  },
});

/** The page has its own h1: a text's headings stand one lower, and none is skipped. */
function lowerHeadings(fragment: DocumentFragment): void {
  let before = 1;
  for (const heading of fragment.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
    const level = Math.min(Number(heading.nodeName[1]) + 1, before === 1 ? 6 : before + 1, 6);
    const lower = document.createElement(`h${level}`);
    lower.className = `md-${heading.nodeName.toLowerCase()}`;
    lower.append(...heading.childNodes);
    heading.replaceWith(lower);
    before = level;
  }
}

export function markdownFragment(source: string, attachments: Attachments = {}): DocumentFragment {
  if (source.length > LONGEST) {
    const whole = document.createDocumentFragment();
    const pre = document.createElement("pre");
    pre.textContent = source.slice(0, LONGEST);
    whole.append(pre);
    return whole;
  }
  let html: string;
  try {
    html = marked.parse(source) as string;
  } catch {
    html = `<pre>${escaped(source)}</pre>`; // nested deeper than the renderer goes
  }
  const {fragment} = sanitised(html, attachments);
  lowerHeadings(fragment);
  return fragment;
}
