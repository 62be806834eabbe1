import type { Bundle } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";
import { objectsNamedBy } from "./named-objects.ts";
import type { ResolvedSources } from "./resolve.ts";
import { isFilesVolume } from "./volumes.ts";

/** Two of these and a resolver's freshness bring a change into the files within a minute. */
const LOOK_MS = 30_000;
/** How soon what a container's variables miss is looked for again. */
const REFUSED_LOOK_MS = 10_000;
/** Every Pod has it, and it hardly ever changes: it comes along with a new token. */
const OWN_CONFIG_MAP = "kube-root-ca.crt";

/** What is remembered of the bundle in a Machine: enough to tell whether another one differs. */
export interface Delivered {
  /** Of what it was made from: while that stays the same, so does the bundle. */
  readonly version: string;
  /** One of its containers cannot start yet. */
  readonly isRefused: boolean;
  readonly rest: number;
  readonly volumes: ReadonlyMap<string, number>;
}

/** What has to be sent so that a Machine has `next`. */
export type Difference =
  | { readonly send: "nothing" }
  | { readonly send: "bundle" }
  | { readonly send: "volumes"; readonly names: readonly string[] };

export function deliveredFor({ volumes, ...rest }: Bundle, version: string): Delivered {
  const prints = Object.entries(volumes).map(
    ([name, files]) => [name, printOf(JSON.stringify(files))] as const,
  );
  return {
    version,
    isRefused: Object.values(rest.containers).some(({ refused }) => refused !== undefined),
    rest: printOf(JSON.stringify(rest)),
    volumes: new Map(prints),
  };
}

export function differenceOf(known: Delivered | undefined, next: Delivered): Difference {
  if (known === undefined || known.rest !== next.rest || known.volumes.size !== next.volumes.size) {
    return { send: "bundle" };
  }
  const names = [...next.volumes.keys()].filter(
    (name) => known.volumes.get(name) !== next.volumes.get(name),
  );
  return names.length === 0 ? { send: "nothing" } : { send: "volumes", names };
}

/** Names all that the Pod's bundle is made from, beside its Node and its Machine. */
export function versionFor(pod: Pod, { version }: Pick<ResolvedSources, "version">): string {
  return `${podPrintOf(pod)} ${version}`;
}

/** All of the Pod itself that a bundle is made from. */
export function podPrintOf({ metadata }: Pod): string {
  const { generation, labels, annotations } = metadata;
  return JSON.stringify([generation, labels, annotations]);
}

/** True when something beside the Pod itself stands in its bundle, or files that follow the Pod. */
export function hasSources(pod: Pod): boolean {
  const { configMaps, secrets } = objectsNamedBy(pod);
  const isFed = configMaps.length + secrets.length > 0;
  return isFed || pod.spec.volumes?.some(isFilesVolume) === true;
}

/** When the sources of a Pod want to be looked at again after they were; infinite: never. */
export function nextLookMs(
  pod: Pod,
  { isRefused }: Delivered,
  { renewAtMs = Number.POSITIVE_INFINITY }: Pick<ResolvedSources, "renewAtMs">,
  nowMs: number,
): number {
  const { configMaps, secrets } = objectsNamedBy(pod);
  const isFed = secrets.length > 0 || configMaps.some((name) => name !== OWN_CONFIG_MAP);
  return Math.min(
    renewAtMs,
    isFed ? nowMs + LOOK_MS : Number.POSITIVE_INFINITY,
    isRefused ? nowMs + REFUSED_LOOK_MS : Number.POSITIVE_INFINITY,
  );
}

/** 53 bits, for equality only. Source: cyrb53, public domain. */
function printOf(text: string): number {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 2_654_435_761);
    b = Math.imul(b ^ code, 1_597_334_677);
  }
  a = Math.imul(a ^ (a >>> 16), 2_246_822_507) ^ Math.imul(b ^ (b >>> 13), 3_266_489_909);
  b = Math.imul(b ^ (b >>> 16), 2_246_822_507) ^ Math.imul(a ^ (a >>> 13), 3_266_489_909);
  return 4_294_967_296 * (2_097_151 & b) + (a >>> 0);
}
