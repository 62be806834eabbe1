import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import type { Content } from "./content.ts";
import { type ConfigFile, configFileOf, isIndex, type Manifest, manifestOf } from "./manifest.ts";
import type { Platform } from "./platform.ts";
import type { UnpackLayer } from "./unpack.ts";

/** An image all of whose blobs are here, by digest. */
export interface StoredImage {
  /** What its name led to: an index or a manifest. */
  readonly digest: string;
  /** The manifest for this host. */
  readonly manifest: string;
  readonly config: string;
  readonly sizeBytes: number;
}

/** Throws FksError `InvalidInput` for an image that does not fit itself or this host. */
export function checkedImage(manifest: Manifest, config: ConfigFile, platform: Platform): void {
  if (config.rootfs.diff_ids.length !== manifest.layers.length) {
    throw new FksError("InvalidInput", "the image is refused: its config names other layers");
  }
  const { architecture = "", os = "" } = config;
  const fits = (architecture === "" || architecture === platform.architecture) && os !== "windows";
  if (!fits) {
    throw new FksError(
      "InvalidInput",
      `the image is built for ${os}/${architecture}, this host runs linux/${platform.architecture}`,
    );
  }
}

export function configOf(content: Content, configDigest: string): ConfigFile {
  return configFileOf(content.readBlob(configDigest));
}

/** The layers of a stored image with the digests that their contents must have. */
export function unpackLayersOf(content: Content, image: StoredImage): readonly UnpackLayer[] {
  const manifest = singleManifestOf(content, image.manifest);
  const { rootfs } = configOf(content, image.config);
  return manifest.layers.map(({ digest }, index) => ({
    file: content.blobPath(digest),
    diffId: rootfs.diff_ids[index] ?? "",
  }));
}

/** Every blob the image needs. */
export function blobsOf(content: Content, image: StoredImage): readonly string[] {
  const layers = singleManifestOf(content, image.manifest).layers.map(({ digest }) => digest);
  return [image.digest, image.manifest, image.config, ...layers];
}

/** Puts small bytes whose digest is known to be right among the blobs. */
export function storeBytes(content: Content, bytes: Uint8Array, digest: string): void {
  if (content.hasBlob(digest)) return;
  const scratch = content.scratch();
  try {
    const file = join(scratch, "blob");
    writeFileSync(file, bytes, { mode: 0o600, flush: true });
    content.adoptBlob(file, digest);
  } finally {
    content.removeScratch(scratch);
  }
}

function singleManifestOf(content: Content, digest: string): Manifest {
  const manifest = manifestOf(content.readBlob(digest));
  if (isIndex(manifest)) throw new FksError("InvalidInput", `${digest} is an index`);
  return manifest;
}
