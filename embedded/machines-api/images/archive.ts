import { closeSync, createReadStream, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { Content } from "./content.ts";
import { decompressed } from "./decompress.ts";
import {
  configFileOf,
  type Descriptor,
  type Index,
  indexOf,
  isIndex,
  jsonOf,
  type Manifest,
  manifestOf,
} from "./manifest.ts";
import { imageFor, type Platform } from "./platform.ts";
import { checkedImage, type StoredImage, storeBytes } from "./stored-image.ts";
import { tarEntries } from "./tar-reader.ts";
import type { UnpackLimits } from "./unpack-limits.ts";

export interface ArchiveOptions {
  readonly content: Content;
  readonly platform: Platform;
  readonly limits: UnpackLimits;
  readonly onProgress: (readBytes: number) => void;
}

/** An image out of an archive, with the names the archive gives it. */
export interface ArchivedImage extends StoredImage {
  readonly names: readonly string[];
}

/** A file of the archive, put down in a scratch folder. */
interface Staged {
  readonly file: string;
  readonly digest: string;
  readonly size: number;
}

type Files = ReadonlyMap<string, Staged>;

const JSON_MAX_BYTES = 8 << 20;
const NAME_KEYS = ["io.containerd.image.name", "org.opencontainers.image.ref.name"] as const;

const dockerManifest = z.array(
  z.object({
    Config: z.string(),
    RepoTags: z.array(z.string()).nullish(),
    Layers: z.array(z.string()),
  }),
);

/**
 * Reads a `docker save` or OCI layout archive, compressed or not, in one pass and never as a
 * whole; afterwards the images' blobs are in `content`.
 * Throws FksError `InvalidInput` with one sentence when the file is neither.
 */
export async function readArchive(
  file: string,
  options: ArchiveOptions,
  signal: AbortSignal,
): Promise<readonly ArchivedImage[]> {
  const scratch = options.content.scratch();
  try {
    const files = await stage(file, scratch, options, signal);
    const index = files.get("index.json");
    const docker = files.get("manifest.json");
    if (index === undefined && docker === undefined) {
      throw new FksError("InvalidInput", "it holds neither index.json nor manifest.json");
    }
    const named = index === undefined ? [] : ociImages(indexOf(jsonBytes(index)), files, options);
    if (named.length > 0 || docker === undefined) return named;
    return dockerImages(jsonBytes(docker), files, options);
  } finally {
    options.content.removeScratch(scratch);
  }
}

/** Puts every file of the archive down under a number, hashed on the way. */
async function stage(
  file: string,
  scratch: string,
  options: ArchiveOptions,
  signal: AbortSignal,
): Promise<Files> {
  const files = new Map<string, Staged>();
  const links = new Map<string, string>();
  let total = 0;
  let count = 0;

  for await (const { header, body } of tarEntries(decompressed(piecesOf(file, options, signal)))) {
    const path = normalised(header.path);
    total += header.size;
    count += 1;
    if (total > options.limits.totalBytes || count > options.limits.entries) {
      throw new FksError("InvalidInput", "it holds more than any image may");
    }
    if (header.type === "file")
      files.set(path, await stageFile(join(scratch, String(count)), body));
    // Old archives hold a layer once and let other images point to it.
    if (header.type === "symlink") links.set(path, normalised(join(path, "..", header.linkname)));
    if (header.type === "link") links.set(path, normalised(header.linkname));
  }
  for (const [path, target] of links) {
    const staged = files.get(target) ?? files.get(links.get(target) ?? "");
    if (staged !== undefined) files.set(path, staged);
  }
  return files;
}

async function stageFile(file: string, body: AsyncIterable<Uint8Array>): Promise<Staged> {
  const hasher = new Bun.CryptoHasher("sha256");
  const fd = openSync(file, "wx", 0o600);
  let size = 0;
  try {
    for await (const piece of body) {
      for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
      hasher.update(piece);
      size += piece.length;
    }
  } finally {
    closeSync(fd);
  }
  return { file, digest: `sha256:${hasher.digest("hex")}`, size };
}

/** The images of an OCI layout that have a name. */
function ociImages(index: Index, files: Files, options: ArchiveOptions): readonly ArchivedImage[] {
  const byDigest = new Map([...files.values()].map((staged) => [staged.digest, staged]));
  const images = new Map<string, ArchivedImage>();

  for (const descriptor of index.manifests) {
    const name = NAME_KEYS.map((key) => descriptor.annotations?.[key]).find(Boolean);
    if (name === undefined) continue;
    const before = images.get(descriptor.digest);
    const image = before ?? ociImage(descriptor, byDigest, options);
    images.set(descriptor.digest, { ...image, names: [...image.names, name] });
  }
  return [...images.values()];
}

function ociImage(
  descriptor: Descriptor,
  byDigest: ReadonlyMap<string, Staged>,
  options: ArchiveOptions,
): ArchivedImage {
  const { content, platform } = options;
  const bytes = jsonBytes(needed(byDigest.get(descriptor.digest), descriptor.digest));
  const first = manifestOf(bytes);
  storeBytes(content, bytes, descriptor.digest);
  if (!isIndex(first))
    return takeIn(first, descriptor.digest, descriptor.digest, byDigest, options);

  const chosen = imageFor(first, platform);
  if (chosen === undefined) {
    throw new FksError("InvalidInput", `it holds no image for linux/${platform.architecture}`);
  }
  const inner = jsonBytes(needed(byDigest.get(chosen.digest), chosen.digest));
  const manifest = manifestOf(inner);
  if (isIndex(manifest)) throw new FksError("InvalidInput", "its index leads to another index");
  storeBytes(content, inner, chosen.digest);
  return takeIn(manifest, chosen.digest, descriptor.digest, byDigest, options);
}

function dockerImages(
  bytes: Uint8Array,
  files: Files,
  options: ArchiveOptions,
): readonly ArchivedImage[] {
  const parsed = dockerManifest.safeParse(jsonOf(bytes, "manifest.json"));
  if (!parsed.success) throw new FksError("InvalidInput", "its manifest.json has a bad form");

  const byDigest = new Map([...files.values()].map((staged) => [staged.digest, staged]));
  return parsed.data.map(({ Config, RepoTags, Layers }) => {
    const config = needed(files.get(normalised(Config)), Config);
    const layers = Layers.map((path) => needed(files.get(normalised(path)), path));
    const manifest = {
      schemaVersion: 2 as const,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: descriptorOf("application/vnd.oci.image.config.v1+json", config),
      layers: layers.map((layer) => descriptorOf("application/vnd.oci.image.layer.v1.tar", layer)),
    };
    const manifestBytes = Buffer.from(JSON.stringify(manifest));
    const hasher = new Bun.CryptoHasher("sha256").update(manifestBytes);
    const digest = `sha256:${hasher.digest("hex")}`;
    storeBytes(options.content, manifestBytes, digest);
    return { ...takeIn(manifest, digest, digest, byDigest, options), names: RepoTags ?? [] };
  });
}

/** Moves config and layers among the blobs; each was hashed as it was read. */
function takeIn(
  manifest: Manifest,
  manifestDigest: string,
  digest: string,
  byDigest: ReadonlyMap<string, Staged>,
  { content, platform }: ArchiveOptions,
): ArchivedImage {
  const { config, layers } = manifest;
  const staged = needed(byDigest.get(config.digest), config.digest);
  storeBytes(content, jsonBytes(staged), config.digest);
  checkedImage(manifest, configFileOf(content.readBlob(config.digest)), platform);
  for (const layer of layers) {
    if (content.hasBlob(layer.digest)) continue;
    content.adoptBlob(needed(byDigest.get(layer.digest), layer.digest).file, layer.digest);
  }
  const sizeBytes = [config, ...layers].reduce((sum, { size }) => sum + size, 0);
  return { digest, manifest: manifestDigest, config: config.digest, sizeBytes, names: [] };
}

async function* piecesOf(
  file: string,
  { onProgress }: ArchiveOptions,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const piece of createReadStream(file, { highWaterMark: 1 << 18 })) {
    signal.throwIfAborted();
    if (!(piece instanceof Uint8Array)) continue;
    read += piece.length;
    onProgress(read);
    yield piece;
  }
}

function jsonBytes({ file, size }: Staged): Uint8Array {
  if (size > JSON_MAX_BYTES)
    throw new FksError("InvalidInput", "one of its manifests is too large");
  return readFileSync(file);
}

function needed(staged: Staged | undefined, name: string): Staged {
  if (staged === undefined) throw new FksError("InvalidInput", `it lacks ${name}`);
  return staged;
}

function descriptorOf(mediaType: string, { digest, size }: Staged): Descriptor {
  return { mediaType, digest, size };
}

function normalised(path: string): string {
  return join("/", path).slice(1);
}
