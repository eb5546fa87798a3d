/** What a picture's own header says, read before the browser is asked to unpack it. */

export interface Picture {
  type: string;
  width: number;
  height: number;
}

/** More than this is not unpacked in the page: 4 bytes a pixel. */
export const MOST_PIXELS = 50_000_000;
const LONGEST_SIDE = 16_384;

export function isBomb(picture: Picture): boolean {
  return picture.width * picture.height > MOST_PIXELS || Math.max(picture.width, picture.height) > LONGEST_SIDE;
}

/** Base64 to bytes; null when it is none. */
export function decoded(base64: string): Uint8Array<ArrayBuffer> | null {
  try {
    const text = atob(base64.replace(/\s+/g, ""));
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
    return bytes;
  } catch {
    return null;
  }
}

/** PNG, JPEG, GIF and WebP; null for anything else, which is then not shown. */
export function pictureOf(bytes: Uint8Array): Picture | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    if (view.getUint32(0) === 0x89504e47) return {type: "image/png", width: view.getUint32(16), height: view.getUint32(20)};
    if (view.getUint32(0) === 0x47494638) return {type: "image/gif", width: view.getUint16(6, true), height: view.getUint16(8, true)};
    if (view.getUint16(0) === 0xffd8) return jpeg(view);
    if (view.getUint32(0) === 0x52494646 && view.getUint32(8) === 0x57454250) return webp(view);
  } catch {
    return null; // cut off
  }
  return null;
}

function jpeg(view: DataView): Picture | null {
  let at = 2;
  while (view.getUint8(at) === 0xff) {
    const marker = view.getUint8(at + 1);
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return {type: "image/jpeg", width: view.getUint16(at + 7), height: view.getUint16(at + 5)};
    }
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

function webp(view: DataView): Picture | null {
  const kind = view.getUint32(12);
  const uint24 = (at: number): number => view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
  if (kind === 0x56503858) return {type: "image/webp", width: uint24(24) + 1, height: uint24(27) + 1};
  if (kind === 0x56503820) return {type: "image/webp", width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff};
  if (kind !== 0x5650384c) return null;
  const bits = view.getUint32(21, true);
  return {type: "image/webp", width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1};
}
