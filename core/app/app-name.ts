import { sha256 } from "./sha256.ts";

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";
const NAMESPACE_MAX = 42;
const CLUSTER_CHARS = 6;
const NAMESPACE_CHARS = 10;
const GENERATED = /^fks-.+-([a-z2-7]{16})$/;
const APP_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** The label of a Namespace that names its App. */
export const APP_LABEL = "fly.io/app";
/** Keeps a Namespace until nothing of it is left on Fly. */
export const APP_FINALIZER = "fly.io/app";

/**
 * The App of a namespace. A function of the two UIDs, so that a crash between creating the App and
 * writing the label cannot make a second one. It says which cluster it is of, so that an App without
 * a namespace can be told from another cluster's. At most 63 characters.
 */
export function appNameFor(
  namespace: { readonly name: string; readonly uid: string },
  clusterUid: string,
): string {
  const own = base32(sha256(`${clusterUid}/${namespace.uid}`)).slice(0, NAMESPACE_CHARS);
  return `fks-${namespace.name.slice(0, NAMESPACE_MAX)}-${clusterCharsOf(clusterUid)}${own}`;
}

/** Whose namespace an App was made for by a fks-node; undefined when a person named it. Pure. */
export function originOf(app: string, clusterUid: string): "ours" | "another cluster" | undefined {
  const hash = GENERATED.exec(app)?.[1];
  if (hash === undefined) return undefined;
  return hash.startsWith(clusterCharsOf(clusterUid)) ? "ours" : "another cluster";
}

export function isAppName(text: string): boolean {
  return APP_NAME.test(text);
}

function clusterCharsOf(clusterUid: string): string {
  return base32(sha256(clusterUid)).slice(0, CLUSTER_CHARS);
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
