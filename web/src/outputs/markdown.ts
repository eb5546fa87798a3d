/** Markdown to harmless nodes. Formulas become elements with `data-tex`, drawn later (math.ts). */
import {Marked, type TokenizerAndRendererExtension, type Tokens} from "marked";
import {sanitised, type Attachments} from "./sanitise";

const LONGEST = 200_000;
/** $$…$$, then $…$ (no blank inside its dollars, no digit behind, so that prices stay prices), \\(…\\) and \\[…\\]. */
const INLINE = new RegExp([/\$\$([^$]+?)\$\$/, /\$(?![\s$])((?:\\[\s\S]|[^$\\])*?[^\s\\])\$(?!\d)/, /\$(?![\s$])(\S)\$(?!\d)/,
  /\\\\\(([\s\S]{1,1000}?)\\\\\)/, /\\\\\[([\s\S]{1,1000}?)\\\\\]/].map((way) => `^${way.source}`).join("|"));
const BLOCK = /^ {0,3}(?:\$\$([\s\S]{1,4000}?)\$\$|\\\\\[([\s\S]{1,4000}?)\\\\\]|(\\begin\{([a-z]+\*?)\}[\s\S]{1,4000}?\\end\{\4\})) *(?:\n+|$)/;

/** Openings without an end are looked for so often in one text and no more: each costs a search. */
const MOST_MISSES = {inline: 2000, block: 200};
const missed = {inline: 0, block: 0};

function found(kind: "inline" | "block", way: RegExp, text: string): RegExpExecArray | null {
  if (missed[kind] > MOST_MISSES[kind]) return null;
  const match = way.exec(text);
  if (!match && /^ {0,3}(\$|\\)/.test(text)) missed[kind]++;
  return match;
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const element = (tag: string, tex: string, isDisplay: boolean): string =>
  `<${tag} data-tex="${escaped(tex)}"${isDisplay ? ' data-display="1"' : ""}>${escaped(tex)}</${tag}>`;

const inlineMath: TokenizerAndRendererExtension = {
  name: "inlineMath", level: "inline",
  start: (text) => missed.inline > MOST_MISSES.inline ? undefined : /\$|\\\\[([]/.exec(text)?.index,
  tokenizer(text) {
    const match = found("inline", INLINE, text);
    if (!match) return undefined;
    const tex = match[1] ?? match[2] ?? match[3] ?? match[4] ?? match[5] ?? "";
    return {type: "inlineMath", raw: match[0], tex, isDisplay: match[1] !== undefined || match[5] !== undefined};
  },
  renderer: (token) => element("span", String(token["tex"]), Boolean(token["isDisplay"])),
};

const blockMath: TokenizerAndRendererExtension = {
  name: "blockMath", level: "block",
  start: (text) => missed.block > MOST_MISSES.block ? undefined : /(?:^|\n) {0,3}(?:\$\$|\\\\\[|\\begin\{)/.exec(text)?.index,
  tokenizer(text) {
    const match = found("block", BLOCK, text);
    return match ? {type: "blockMath", raw: match[0], tex: match[1] ?? match[2] ?? match[3] ?? ""} : undefined;
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
  missed.inline = missed.block = 0;
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
