import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import type { PullCredential } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import { watchdog } from "#core/watchdog.ts";
import type { Content } from "./content.ts";
import { credentialsFor } from "./credentials.ts";
import { download } from "./download.ts";
import { endpointsOf, type RegistryAccess } from "./endpoints.ts";
import {
  configFileOf,
  type Descriptor,
  isIndex,
  MANIFEST_TYPES,
  type Manifest,
  manifestOf,
} from "./manifest.ts";
import { imageFor, type Platform, platformsText } from "./platform.ts";
import type { Reference } from "./reference.ts";
import { bodyOf } from "./registry-http.ts";
import { type Repository, registryRepository } from "./repository.ts";
import { type RetryRules, retrying } from "./retry.ts";
import { checkedImage, type StoredImage, storeBytes } from "./stored-image.ts";

export interface PullOptions {
  readonly content: Content;
  readonly access: RegistryAccess;
  readonly clock: Clock;
  readonly platform: Platform;
  readonly retries: RetryRules;
  /** A transfer without a byte for this long is broken off. */
  readonly quietMs: number;
  readonly onProgress: (progress: PullProgress) => void;
}

export interface PullProgress {
  readonly reference: Reference;
  readonly digest: string;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

const MANIFEST_MAX_BYTES = 4 << 20;
const CONFIG_MAX_BYTES = 8 << 20;
const LAYER_MAX_BYTES = 64 * 2 ** 30;
const DOWNLOADS_AT_ONCE = 3;

interface Found {
  readonly repository: Repository;
  readonly bytes: Uint8Array;
  readonly digest: string;
}

/**
 * Fetches what is missing of an image; afterwards its manifest, config and layers are in `content`.
 * Throws FksError `NotFound`, `Unauthorized`, `Unavailable`, or `InvalidInput` for an image that
 * is not what its digests say.
 */
export async function pull(
  reference: Reference,
  credentials: readonly PullCredential[],
  options: PullOptions,
  signal: AbortSignal,
): Promise<StoredImage> {
  const found = await findManifest(reference, credentials, options, signal);
  const { manifest, digest } = await platformManifest(found, options, signal);
  if (manifest.config.size > CONFIG_MAX_BYTES) {
    throw new FksError("InvalidInput", "the image is refused: its config is too large");
  }

  const blobs = [manifest.config, ...manifest.layers];
  await fetchAll(reference, found.repository, blobs, options, signal);
  const config = configFileOf(options.content.readBlob(manifest.config.digest));
  checkedImage(manifest, config, options.platform);
  const sizeBytes = blobs.reduce((sum, { size }) => sum + size, 0);
  return { digest: found.digest, manifest: digest, config: manifest.config.digest, sizeBytes };
}

/** Mirrors first; at each place every credential for the registry, then nobody's. */
async function findManifest(
  reference: Reference,
  credentials: readonly PullCredential[],
  options: PullOptions,
  signal: AbortSignal,
): Promise<Found> {
  const { registry, repository } = reference;
  const failures: FksError[] = [];
  const own = credentialsFor(reference, credentials);

  for (const endpoint of endpointsOf(registry, options.access)) {
    for (const credential of endpoint.isMirror ? [undefined] : [...own, undefined]) {
      const asked = registryRepository({
        endpoint,
        registry,
        repository,
        credential,
        clock: options.clock,
      });
      try {
        const at = reference.digest ?? reference.tag ?? "latest";
        return { repository: asked, ...(await fetchManifest(asked, at, options, signal)) };
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FksError)) throw error;
        failures.push(error);
        // Only a refusal can be cured by asking as somebody else.
        if (error.code !== "Unauthorized" && error.code !== "NotFound") break;
      }
    }
  }
  throw mostTelling(failures);
}

async function platformManifest(
  found: Found,
  options: PullOptions,
  signal: AbortSignal,
): Promise<{ readonly manifest: Manifest; readonly digest: string }> {
  const content = manifestOf(found.bytes);
  storeBytes(options.content, found.bytes, found.digest);
  if (!isIndex(content)) return { manifest: content, digest: found.digest };

  const chosen = imageFor(content, options.platform);
  if (chosen === undefined) {
    throw new FksError(
      "NotFound",
      `the image is there for ${platformsText(content)}, but not for linux/${options.platform.architecture}`,
    );
  }
  const { bytes, digest } = await fetchManifest(found.repository, chosen.digest, options, signal);
  const manifest = manifestOf(bytes);
  if (isIndex(manifest)) {
    throw new FksError("InvalidInput", "the image is refused: its index leads to another index");
  }
  storeBytes(options.content, bytes, digest);
  return { manifest, digest };
}

/** A manifest by tag or digest, its bytes checked against every digest that was claimed. */
async function fetchManifest(
  repository: Repository,
  at: string,
  { clock, retries, quietMs }: PullOptions,
  signal: AbortSignal,
): Promise<{ readonly bytes: Uint8Array; readonly digest: string }> {
  return retrying(
    clock,
    retries,
    async () => {
      const dog = watchdog(clock, quietMs, signal);
      try {
        const headers = { accept: MANIFEST_TYPES.join(", ") };
        const response = await repository.get(`manifests/${at}`, headers, dog.signal);
        const bytes = await bodyOf(response, MANIFEST_MAX_BYTES);
        const digest = `sha256:${new Bun.CryptoHasher("sha256").update(bytes).digest("hex")}`;
        const claimed = response.headers.get("docker-content-digest") ?? digest;
        if (claimed !== digest || (at.startsWith("sha256:") && at !== digest)) {
          throw new FksError("InvalidInput", `the registry sent another manifest than ${claimed}`);
        }
        return { bytes, digest };
      } catch (error) {
        signal.throwIfAborted();
        throw dog.signal.aborted ? dog.signal.reason : error;
      } finally {
        dog.stop();
      }
    },
    signal,
  );
}

async function fetchAll(
  reference: Reference,
  repository: Repository,
  blobs: readonly Descriptor[],
  options: PullOptions,
  signal: AbortSignal,
): Promise<void> {
  const wanted = new Map(blobs.map((blob) => [blob.digest, blob]));
  const queue = [...wanted.values()].filter(({ digest }) => !options.content.hasBlob(digest));
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);

  const work = async (): Promise<void> => {
    for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
      either.throwIfAborted();
      await fetchBlob(reference, repository, blob, options, either);
    }
  };
  const workers = Array.from({ length: DOWNLOADS_AT_ONCE }, async () => {
    try {
      await work();
    } catch (error) {
      failed.abort(error);
    }
  });
  await Promise.all(workers);
  either.throwIfAborted();
}

async function fetchBlob(
  reference: Reference,
  repository: Repository,
  { digest, size }: Descriptor,
  options: PullOptions,
  signal: AbortSignal,
): Promise<void> {
  if (size > LAYER_MAX_BYTES) {
    throw new FksError(
      "InvalidInput",
      `the image is refused: a layer of ${size} bytes is too large`,
    );
  }
  const { content, clock, retries, quietMs } = options;
  const scratch = content.scratch();
  try {
    const file = join(scratch, "blob");
    const onProgress = (receivedBytes: number): void =>
      options.onProgress({ reference, digest, receivedBytes, totalBytes: size });
    await download({ repository, digest, size, file, clock, retries, quietMs, onProgress }, signal);
    content.adoptBlob(file, digest);
  } finally {
    content.removeScratch(scratch);
  }
}

/** Of several failures the one a person can do most about; the registry itself answered last. */
function mostTelling(failures: readonly FksError[]): FksError {
  const order = ["Unauthorized", "NotFound", "InvalidInput", "Unavailable"] as const;
  const last = failures.at(-1);
  if (last?.code === "Unavailable") return last;
  const found = order
    .map((code) => failures.findLast((failure) => failure.code === code))
    .find((failure) => failure !== undefined);
  return found ?? new FksError("Unavailable", "there is no place to pull from");
}
