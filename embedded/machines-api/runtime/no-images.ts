import { createHash } from "node:crypto";
import { FksError } from "#core/errors.ts";
import type { Image, Images } from "../images/images.ts";

const REFERENCE =
  /^(?:(?<registry>[a-z0-9.-]+(?:[.:][a-z0-9.-]+)+|localhost(?::\d+)?)\/)?(?<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?<tag>[\w][\w.-]{0,127}))?(?:@sha256:[0-9a-f]{64})?$/;

/**
 * Images for the runtime `none`: nothing is pulled, every well-formed reference is here already.
 * Its digest is the SHA-256 of the reference, its command `run`, so that arguments replace it.
 */
export function noImages(): Images {
  return {
    async ensure({ reference }) {
      return imageOf(reference);
    },
    load: () => Promise.reject(new FksError("Unsupported", "the runtime none has no images")),
    list: async () => [],
    reclaim: async () => [],
    remove: async () => {},
  };
}

function imageOf(reference: string): Image {
  const { groups } = REFERENCE.exec(reference) ?? {};
  if (groups === undefined) {
    throw new FksError("InvalidInput", `InvalidImageName: "${reference}" is no image reference`);
  }
  const { registry = "docker.io", repository: path = "", tag = "latest" } = groups;
  const repository = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  const digest = `sha256:${createHash("sha256").update(reference).digest("hex")}`;
  return {
    reference,
    registry,
    repository,
    tag,
    digest,
    configDigest: digest,
    root: "/nonexistent",
    sizeBytes: 0,
    config: { Cmd: ["run"] },
    source: "present",
    tookMs: 0,
  };
}
