import { sha256 } from "./sha256.ts";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const NAMESPACE_MAX = 42;

/** The label of a Namespace that names its App. */
export const APP_LABEL = "fly.io/app";

/**
 * The App of a namespace. A function of the two UIDs, so that a crash between creating the App and
 * writing the label cannot make a second one. At most 63 characters.
 */
export function appNameFor(
  namespace: { readonly name: string; readonly uid: string },
  clusterUid: string,
): string {
  const hash = base32(sha256(`${clusterUid}/${namespace.uid}`)).slice(0, 16);
  return `fks-${namespace.name.slice(0, NAMESPACE_MAX)}-${hash}`;
}

/** Lower case, no padding. Source: RFC 4648, section 6. */
function base32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += BASE32.charAt((held >>> (bits - 5)) & 31);
  }
  return bits === 0 ? text : text + BASE32.charAt((held << (5 - bits)) & 31);
}
