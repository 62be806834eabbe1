import { join } from "node:path";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import { cacheFolder } from "../cache.ts";
import { type KubernetesVersion, parseVersion } from "../version.ts";
import pinJson from "./pin.json" with { type: "json" };

/** The minors of Kubernetes 1 whose flags we know. */
const SUPPORTED_MINORS = { oldest: 34, newest: 37 } as const;

const ARCHS = ["amd64", "arm64"] as const;
type Arch = (typeof ARCHS)[number];

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const pinSchema = z.strictObject({
  version: z.string().refine((text) => isSupported(parseVersion(text))),
  /** Recorded by a maintainer from the release (`make pin-k3s`), never by hand. */
  sha256: z.partialRecord(z.enum(ARCHS), sha256),
});

/** The release of K3s that is fetched where there is none; what `pin.json` holds. */
export type Pin = z.infer<typeof pinSchema>;

/** Throws when the text is no pin file. */
export function parsePin(pin: unknown): Pin {
  return pinSchema.parse(pin);
}

export const PIN: Pin = parsePin(pinJson);

/** What of a release one kind of processor needs; the names are the release's own. */
export interface Release {
  readonly version: string;
  readonly arch: Arch;
  readonly binary: string;
  readonly checksums: string;
  /** Of the binary, where a maintainer has recorded it; then the published one does not count. */
  readonly sha256: string | undefined;
}

/** The part of the pinned release for `arch`, a name of Node.js. Throws `Unsupported`. Pure. */
export function releaseFor(pin: Pin, arch: string): Release {
  const { version } = pin;
  switch (arch) {
    case "x64":
      return {
        version,
        arch: "amd64",
        binary: "k3s",
        checksums: "sha256sum-amd64.txt",
        sha256: pin.sha256.amd64,
      };
    case "arm64":
      return {
        version,
        arch: "arm64",
        binary: "k3s-arm64",
        checksums: "sha256sum-arm64.txt",
        sha256: pin.sha256.arm64,
      };
    default:
      throw new FksError(
        "Unsupported",
        `fks-node fetches K3s for amd64 and arm64, not for ${arch}; name one of your own with --k3s-bin`,
      );
  }
}

/** Where a file of the release is published: the `+` of a version has to be encoded. Pure. */
export function urlOf(releases: string, version: string, file: string): URL {
  return new URL(`${releases}/${encodeURIComponent(version)}/${file}`);
}

/** Where the release's files are kept. Whoever has no network puts them there by hand. */
export function releaseFolder(
  env: Readonly<Record<string, string | undefined>>,
  { version }: Pick<Release, "version">,
): string {
  return join(cacheFolder(env), "k3s", version);
}

/** Whether our flags are right for it: a K3s release of a known minor. Pure. */
export function isSupported(version: KubernetesVersion | undefined): boolean {
  return (
    version?.major === 1 &&
    version.minor >= SUPPORTED_MINORS.oldest &&
    version.minor <= SUPPORTED_MINORS.newest
  );
}

/** For sentences: `1.34 to 1.37`. */
export const SUPPORTED = `1.${SUPPORTED_MINORS.oldest} to 1.${SUPPORTED_MINORS.newest}`;
