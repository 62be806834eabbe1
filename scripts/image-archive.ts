import { gzipSync, zstdCompressSync } from "node:zlib";
import { type TarEntry, tarOf } from "./tar-writer.ts";

export interface ImageSpec {
  readonly reference: string;
  readonly layers: readonly LayerSpec[];
  /** The `config` object of the image, in OCI's words. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly architecture?: string;
}

export interface LayerSpec {
  readonly entries: readonly TarEntry[];
  readonly compression?: "none" | "gzip" | "zstd";
}

/** An image as the blobs a registry would hold. */
export interface BuiltImage {
  readonly reference: string;
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly (Blob & { readonly tar: Uint8Array })[];
}

export interface Blob {
  readonly mediaType: string;
  /** `sha256:…` */
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** Builds the manifest, the config and the layers of an image in memory. */
export function builtImage(spec: ImageSpec): BuiltImage {
  const layers = spec.layers.map(layerOf);
  const config = blob("application/vnd.oci.image.config.v1+json", {
    architecture: spec.architecture ?? hostArchitecture(),
    os: "linux",
    config: spec.config,
    rootfs: { type: "layers", diff_ids: layers.map(({ tar }) => sha256(tar)) },
    history: layers.map(() => ({ created_by: "fks-node" })),
  });
  const manifest = blob("application/vnd.oci.image.manifest.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptorOf(config),
    layers: layers.map(descriptorOf),
  });
  return { reference: spec.reference, manifest, config, layers };
}

/** The images as one OCI layout archive, named by annotations of its index. */
export function ociArchive(images: readonly BuiltImage[]): Uint8Array {
  const index = {
    schemaVersion: 2,
    manifests: images.map((image) => ({
      ...descriptorOf(image.manifest),
      annotations: { "org.opencontainers.image.ref.name": image.reference },
    })),
  };
  return tarOf([
    { path: "oci-layout", content: '{"imageLayoutVersion":"1.0.0"}' },
    { path: "blobs", type: "directory" },
    { path: "blobs/sha256", type: "directory" },
    ...images.flatMap(blobEntries),
    { path: "index.json", content: JSON.stringify(index) },
  ]);
}

/** The images as `docker save` wrote them for ten years: plain layers, `manifest.json` at the end. */
export function dockerArchive(images: readonly BuiltImage[]): Uint8Array {
  const files = new Map<string, Uint8Array>();
  const manifest = images.map((image) => {
    const config = `${hexOf(image.config.digest)}.json`;
    files.set(config, image.config.bytes);
    const layers = image.layers.map(({ tar }) => {
      const path = `${hexOf(sha256(tar))}/layer.tar`;
      files.set(path, tar);
      return path;
    });
    return { Config: config, RepoTags: [image.reference], Layers: layers };
  });
  return tarOf([
    ...[...files].map(([path, content]) => ({ path, content })),
    { path: "manifest.json", content: JSON.stringify(manifest) },
  ]);
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
}

export function blob(mediaType: string, content: unknown): Blob {
  const bytes = Buffer.from(JSON.stringify(content));
  return { mediaType, digest: sha256(bytes), bytes };
}

export function descriptorOf({ mediaType, digest, bytes }: Blob): {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
} {
  return { mediaType, digest, size: bytes.length };
}

function layerOf({ entries, compression = "none" }: LayerSpec): Blob & { tar: Uint8Array } {
  const tar = tarOf(entries);
  const bytes = compressed(tar, compression);
  const suffix = compression === "none" ? "" : `+${compression}`;
  const mediaType = `application/vnd.oci.image.layer.v1.tar${suffix}`;
  return { mediaType, digest: sha256(bytes), bytes, tar };
}

function compressed(tar: Uint8Array, compression: "none" | "gzip" | "zstd"): Uint8Array {
  if (compression === "none") return tar;
  return compression === "gzip" ? gzipSync(tar, { level: 1 }) : zstdCompressSync(tar);
}

function blobEntries(image: BuiltImage): TarEntry[] {
  return [image.config, ...image.layers, image.manifest].map(({ digest, bytes }) => ({
    path: `blobs/sha256/${hexOf(digest)}`,
    content: bytes,
  }));
}

function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

function hostArchitecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}
