/** HTML from strangers, made harmless. What stays has no script, no style, no class and no id: it can neither act nor reach our
 * styles. What needs those belongs into a frame (frame.tsx), and `isPlain` says which it is. */
import DOMPurify from "dompurify";
import {RENAMED, unstyled, withoutSheets} from "./unstyled";
import {decoded, isBomb, pictureOf} from "./picture";

const TAGS = ("a abbr b bdi bdo blockquote br caption center cite code col colgroup dd del details dfn div dl dt em figcaption figure " +
  "h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q rp rt ruby s samp section small span strike strong sub summary sup table " +
  "tbody td tfoot th thead time tr tt u ul var wbr").split(" ");
const ATTRIBUTES = ("href title alt src colspan rowspan span scope align dir lang start reversed datetime cite width height open " +
  "data-tex data-display").split(" ");

const NO_CONTENTS = ("script style template noscript iframe object svg math title textarea select xmp noembed noframes " +
  "plaintext").split(" ");

/** Attributes that may go without anything being missed. */
const QUIET = /^(class|id|border|cellpadding|cellspacing|valign|nowrap|name|role|tabindex|aria-.*|data-.*|target|rel|headers|type)$/;
const LOOKS = ["href", "src", "srcset", "bgcolor", "color", "face", "size", "width", "height"];
const QUIET_STYLE = /^(text-align|vertical-align|font-(weight|style|size)|white-space|margin|padding|(max-)?width|border|overflow)(-[a-z]+)*$/;
/** REMOVE is what DOMPurify itself puts in front (FORCE_BODY). */
const QUIET_TAGS = ["HTML", "HEAD", "BODY", "TITLE", "REMOVE"];

export interface Attachments {
  [name: string]: Record<string, string>;
}

export interface Clean {
  fragment: DocumentFragment;
  /** Nothing was taken away that anybody would miss. */
  isPlain: boolean;
}

let attachments: Attachments = {};
const purify = DOMPurify(window);

/** A picture that lies in the text itself, of a kind and size we show; anything else, above all an address, is dropped. */
function pictureAddress(src: string): string | null {
  const name = /^attachment:(.+)$/i.exec(src.trim())?.[1];
  const attached = [name, safeDecode(name ?? "")].find((one) => one !== undefined && Object.hasOwn(attachments, one));
  const bundle = Object.entries(attachments[attached ?? ""] ?? {});
  const base64 = attached === undefined
    ? /^data:image\/[\w+.-]+;base64,(.*)$/is.exec(src.trim())?.[1]
    : bundle.find(([type]) => /^image\/(png|jpeg|gif|webp)$/.test(type))?.[1];
  const bytes = typeof base64 === "string" ? decoded(safeDecode(base64)) : null;
  const picture = bytes && pictureOf(bytes);
  return picture && !isBomb(picture) ? `data:${picture.type};base64,${safeDecode(String(base64)).replace(/\s+/g, "")}` : null;
}

function safeDecode(text: string): string {
  try {
    return text.includes("%") ? decodeURIComponent(text) : text;
  } catch {
    return text;
  }
}

export function safeLink(href: string): string | null {
  try {
    const address = new URL(href);
    return ["http:", "https:", "mailto:"].includes(address.protocol) ? address.href : null;
  } catch {
    return null;
  }
}

purify.addHook("uponSanitizeAttribute", (node, data) => {
  if (data.attrName === "src") {
    const address = node.nodeName === "IMG" ? pictureAddress(data.attrValue) : null;
    if (address) {
      data.attrValue = address;
      data.forceKeepAttr = true;
      node.setAttribute("src", address);
    } else data.keepAttr = false;
  }
  if ((data.attrName === "width" || data.attrName === "height") && !/^\d{1,4}%?$/.test(data.attrValue)) data.keepAttr = false;
});

purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.nodeName === "A") {
    const href = safeLink(node.getAttribute("href") ?? "");
    node.removeAttribute("href");
    if (href) {
      node.setAttribute("href", href);
      node.setAttribute("target", "_blank");
      node.setAttribute("rel", "noopener noreferrer");
    }
  }
  if (node.nodeName === "TH" && !node.textContent?.trim() && node.children.length === 0) { // it heads nothing
    const cell = node.ownerDocument.createElement("td");
    for (const name of ["colspan", "rowspan"]) if (node.hasAttribute(name)) cell.setAttribute(name, node.getAttribute(name) ?? "");
    node.replaceWith(cell);
  }
  if (node.nodeName === "IMG") {
    if (!node.hasAttribute("alt")) node.setAttribute("alt", "A picture in this output");
    if (!node.hasAttribute("src")) node.replaceWith(node.ownerDocument.createTextNode(`[${node.getAttribute("alt")}: not shown]`));
  }
});

function isMissed(removed: (typeof purify.removed)[number]): boolean {
  if ("attribute" in removed && removed.attribute) {
    const {name, value} = removed.attribute as Attr;
    const isQuiet = (one: string): boolean => !one.trim() || QUIET_STYLE.test(one.split(":")[0]?.trim() ?? "");
    if (name === "style" || name === RENAMED.style) return !value.split(";").every(isQuiet);
    return name.startsWith("on") || name.startsWith(RENAMED.handler) || (!QUIET.test(name) && !LOOKS.includes(name));
  }
  const element = (removed as {element?: Node}).element;
  if (!element || element.nodeType !== Node.ELEMENT_NODE) return false;
  return !QUIET_TAGS.includes(element.nodeName) && !(element.nodeName === "META" && (element as Element).hasAttribute("charset"));
}

export function sanitised(html: string, given: Attachments = {}): Clean {
  attachments = given;
  const bare = withoutSheets(html);
  const fragment = purify.sanitize(unstyled(bare.html), {
    ALLOWED_TAGS: [...TAGS, "#text"], ALLOWED_ATTR: ATTRIBUTES, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true, FORCE_BODY: true,
    ADD_URI_SAFE_ATTR: ATTRIBUTES.filter((name) => name !== "href" && name !== "src"),
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i, FORBID_CONTENTS: NO_CONTENTS,
  });
  attachments = {};
  return {fragment, isPlain: !bare.isMissed && !purify.removed.some(isMissed)};
}
