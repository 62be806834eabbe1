import { FksError } from "#core/errors.ts";

/** A version of Kubernetes as a control plane's executable tells it. */
export interface KubernetesVersion {
  /** As it was written: `v1.36.4+k3s1`. */
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** `rc.1` of `v1.37.0-rc.1`; empty for a release. */
  readonly preRelease: string;
  /** `k3s1`; empty for the upstream parts. */
  readonly build: string;
}

const VERSION = /^v?(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/;

/** The version that `text` names and nothing else; undefined when it names none. Pure. */
export function parseVersion(text: string): KubernetesVersion | undefined {
  const [, major, minor, patch, preRelease = "", build = ""] = VERSION.exec(text) ?? [];
  if (major === undefined) return undefined;
  return {
    text,
    major: Number(major),
    minor: Number(minor),
    patch: Number(patch),
    preRelease,
    build,
  };
}

/** Negative when `a` is older than `b`, zero when they are the same release. Pure. */
export function compareVersions(a: KubernetesVersion, b: KubernetesVersion): number {
  return (
    a.major - b.major ||
    a.minor - b.minor ||
    a.patch - b.patch ||
    // A release comes after its candidates.
    Number(a.preRelease === "") - Number(b.preRelease === "") ||
    compareNames(a.preRelease, b.preRelease) ||
    compareNames(a.build, b.build)
  );
}

/** What a control plane means for data that another may have written. */
export type VersionStep =
  /** No control plane has been ready with this data. */
  | "first"
  | "same"
  /** Another release of the same minor, newer or older. */
  | "patch"
  /** The next minor. */
  | "upgrade";

/**
 * What it means that `now` starts with the data `known` was ready with last. Pure.
 *
 * Kubernetes reads data of its own minor and of the one before. Throws `Conflict` for an older
 * minor, for more than one minor at once, and for what is no version.
 */
export function versionStepFor(known: string | undefined, now: string): VersionStep {
  if (known === undefined) return "first";
  if (known === now) return "same";
  const before = parseVersion(known);
  const after = parseVersion(now);
  const theData = `the data was written by Kubernetes ${known}, this control plane is ${now}`;
  if (before === undefined || after === undefined) {
    throw new FksError("Conflict", `${theData}: which of them is newer cannot be told`);
  }
  if (before.major === after.major && before.minor === after.minor) {
    return compareVersions(before, after) === 0 ? "same" : "patch";
  }
  if (compareVersions(after, before) < 0) {
    throw new FksError(
      "Conflict",
      `${theData}: an older minor cannot read it; start ${minorOf(before)}, or restore a backup made by ${minorOf(after)}`,
    );
  }
  if (before.major === after.major && before.minor + 1 === after.minor) return "upgrade";
  const next = { ...before, minor: before.minor + 1 };
  throw new FksError(
    "Conflict",
    `${theData}: minors are upgraded one at a time; start a ${minorOf(next)} first`,
  );
}

/** `v1.36`. */
function minorOf({ major, minor }: Pick<KubernetesVersion, "major" | "minor">): string {
  return `v${major}.${minor}`;
}

/** Of `rc.2` and `rc.10` the second is newer: numbers count as numbers. */
function compareNames(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
