import type { Descriptor, Index } from "./manifest.ts";

export interface Platform {
  /** As Go names it: `amd64`, `arm64`. */
  readonly architecture: string;
}

export function hostPlatform(): Platform {
  return { architecture: process.arch === "x64" ? "amd64" : process.arch };
}

/** Which variants of an architecture run on every processor of it, the best first. */
const VARIANTS: Readonly<Record<string, readonly (string | undefined)[]>> = {
  amd64: [undefined, "", "v1"],
  arm64: ["v8", undefined, ""],
};

/** The image of an index that runs here; `undefined` when none does. Pure. */
export function imageFor(index: Index, { architecture }: Platform): Descriptor | undefined {
  const ours = index.manifests.filter(
    ({ platform }) => platform?.os === "linux" && platform.architecture === architecture,
  );
  for (const variant of VARIANTS[architecture] ?? [undefined, ""]) {
    const found = ours.find(({ platform }) => platform?.variant === variant);
    if (found !== undefined) return found;
  }
  // An index of a single image need not say what it runs on; its config does.
  const [only, ...more] = index.manifests;
  return only?.platform === undefined && more.length === 0 ? only : undefined;
}

/** What an index offers, for people. */
export function platformsText(index: Index): string {
  const texts = index.manifests
    .map(({ platform }) => platform)
    .filter((platform) => platform !== undefined && platform.os !== "unknown")
    .map((platform) =>
      [platform?.os, platform?.architecture, platform?.variant].filter(Boolean).join("/"),
    );
  return texts.length === 0 ? "no platform" : texts.join(", ");
}
