import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { type ArchivedImage, readArchive } from "./archive.ts";
import type { RegistryAccess } from "./endpoints.ts";
import { imageConfigOf } from "./image-config.ts";
import { diskError, loadError, pullError } from "./image-errors.ts";
import { type ImageStore, imageStore } from "./image-store.ts";
import type { Image, ImageRequest, Images, LoadedImage } from "./images.ts";
import { hostPlatform } from "./platform.ts";
import { type PullOptions, type PullProgress, pull } from "./pull.ts";
import { reclaimer } from "./reclaim.ts";
import { type Reference, referenceOf, referenceText } from "./reference.ts";
import { type RefRecord, recordOf } from "./refs.ts";
import { REGISTRY_RETRIES, type RetryRules } from "./retry.ts";
import { sharedWork } from "./shared-work.ts";
import { configOf, type StoredImage } from "./stored-image.ts";
import { DEFAULT_UNPACK_LIMITS, type UnpackLimits } from "./unpack-limits.ts";
import { type Unpacker, workerUnpacker } from "./unpacker.ts";

export interface HostImagesOptions {
  /** `<data-dir>/machines/images`; several processes may work on it at the same time. */
  readonly folder: string;
  readonly clock: Clock;
  /** Default: HTTPS for every registry that is not on loopback, no mirrors. */
  readonly access?: RegistryAccess;
  readonly limits?: UnpackLimits;
  readonly retries?: RetryRules;
  /** A transfer without a byte for this long is broken off; default 60 s. */
  readonly quietMs?: number;
  /** Default true: an image counts as unpacked only once it is on the disk. */
  readonly isDurable?: boolean;
  /** Default: a Worker for each image. */
  readonly unpacker?: Unpacker;
  readonly onProgress?: (progress: ImageProgress) => void;
}

export type ImageProgress =
  | ({ readonly step: "pull" } & PullProgress)
  | { readonly step: "read"; readonly file: string; readonly readBytes: number }
  | { readonly step: "unpack"; readonly reference: string };

/** Images kept in a folder of this host. Throws FksError when the folder cannot be used. */
export function hostImages(options: HostImagesOptions): Images {
  const { folder, clock, limits = DEFAULT_UNPACK_LIMITS } = options;
  const onProgress = options.onProgress ?? ((): void => {});
  const platform = hostPlatform();
  const store = opened(options, limits, onProgress);
  const { content, refs } = store;
  const reclaimed = reclaimer(store, clock);
  const pulls = sharedWork<StoredImage>();
  const pullOptions: PullOptions = {
    content,
    clock,
    platform,
    access: options.access ?? { insecure: [], mirrors: {} },
    retries: options.retries ?? REGISTRY_RETRIES,
    quietMs: options.quietMs ?? 60_000,
    onProgress: (progress) => onProgress({ step: "pull", ...progress }),
  };

  return {
    async ensure(request, signal) {
      const startedAt = clock.now();
      const reference = referenceOf(request.reference);
      const name = referenceText(reference);
      const credentials = request.credentials ?? [];
      const fetched = (): Promise<StoredImage> =>
        pulls(
          JSON.stringify([name, credentials]),
          (stop) => pullInto(store, reference, credentials, pullOptions, stop),
          signal,
        );

      try {
        const here = await present(store, reference, request.pullPolicy, signal);
        const image = here?.image ?? (await fetched());
        reclaimed.used(image.config);
        return {
          ...imageOf(store, reference, image),
          source: here?.source ?? "pulled",
          tookMs: clock.now() - startedAt,
        };
      } catch (error) {
        throw pullError(name, diskError(error, folder));
      }
    },

    async load(file, signal) {
      try {
        return await store.adding(async () => {
          const onRead = (readBytes: number): void => onProgress({ step: "read", file, readBytes });
          const archive = { content, platform, limits, onProgress: onRead };
          return loadInto(store, await readArchive(file, archive, signal), signal);
        }, signal);
      } catch (error) {
        throw loadError(file, diskError(error, folder));
      }
    },

    async reclaim(request, signal) {
      try {
        return await reclaimed.reclaim(request, signal);
      } catch (error) {
        throw diskError(error, folder);
      }
    },

    list: () => Promise.resolve([...refs.all()].map(loadedImageOf)),

    async remove(text, inUse) {
      const name = referenceText(referenceOf(text));
      if (!refs.all().has(name)) throw new FksError("NotFound", `${name} is not on this host`);
      await refs.update((images) => images.delete(name), new AbortController().signal);
      await store.collect(inUse);
    },
  };
}

function opened(
  options: HostImagesOptions,
  limits: UnpackLimits,
  onProgress: (progress: ImageProgress) => void,
): ImageStore {
  const { folder, clock, isDurable = true, unpacker = workerUnpacker() } = options;
  const onUnpack = (reference: string): void => onProgress({ step: "unpack", reference });
  try {
    return imageStore({ folder, clock, limits, isDurable, unpacker, onUnpack });
  } catch (error) {
    throw diskError(error, folder);
  }
}

/** What is here and may be used as it is, unpacked; `undefined` when it has to be pulled. */
async function present(
  store: ImageStore,
  reference: Reference,
  pullPolicy: ImageRequest["pullPolicy"],
  signal: AbortSignal,
): Promise<{ readonly image: StoredImage; readonly source: "loaded" | "present" } | undefined> {
  const name = referenceText(reference);
  const record = recordOf(store.refs.all(), reference);
  const isLoaded = record?.source === "loaded";
  const mayStay = isLoaded || pullPolicy !== "Always";

  if (record !== undefined && mayStay && store.isComplete(record)) {
    await store.adding(() => store.unpack(record, name, signal), signal);
    return { image: record, source: isLoaded ? "loaded" : "present" };
  }
  if (isLoaded) {
    throw new FksError(
      "NotFound",
      "it was loaded from a file, but its content is gone: load again",
    );
  }
  if (pullPolicy !== "Never") return undefined;
  throw new FksError(
    "NotFound",
    `ErrImageNeverPull: ${name} is not on this host and may not be pulled`,
  );
}

async function pullInto(
  store: ImageStore,
  reference: Reference,
  credentials: NonNullable<ImageRequest["credentials"]>,
  options: PullOptions,
  signal: AbortSignal,
): Promise<StoredImage> {
  const name = referenceText(reference);
  return store.adding(async () => {
    const image = await pull(reference, credentials, options, signal);
    await store.unpack(image, name, signal);
    await store.refs.update((images) => {
      // A name that was loaded meanwhile stays with what was loaded.
      if (images.get(name)?.source !== "loaded") images.set(name, { ...image, source: "pulled" });
    }, signal);
    return image;
  }, signal);
}

async function loadInto(
  store: ImageStore,
  images: readonly ArchivedImage[],
  signal: AbortSignal,
): Promise<readonly LoadedImage[]> {
  const named = images.flatMap(({ names, ...image }) =>
    names.map((name) => ({ reference: referenceText(referenceOf(name)), image })),
  );
  if (named.length === 0) {
    throw new FksError("InvalidInput", "its images have no names; save them by name");
  }
  for (const { reference, image } of named) await store.unpack(image, reference, signal);
  await store.refs.update((records) => {
    for (const { reference, image } of named) {
      records.set(reference, { ...image, source: "loaded" });
    }
  }, signal);
  return named.map(({ reference, image }) => ({
    reference,
    digest: image.digest,
    sizeBytes: image.sizeBytes,
  }));
}

function imageOf(
  { content }: ImageStore,
  reference: Reference,
  image: StoredImage,
): Omit<Image, "source" | "tookMs"> {
  return {
    reference: referenceText(reference),
    registry: reference.registry,
    repository: reference.repository,
    tag: reference.tag ?? "",
    digest: image.digest,
    configDigest: image.config,
    root: content.rootPath(image.config),
    sizeBytes: image.sizeBytes,
    config: imageConfigOf(configOf(content, image.config)),
  };
}

function loadedImageOf([reference, record]: [string, RefRecord]): LoadedImage {
  return { reference, digest: record.digest, sizeBytes: record.sizeBytes };
}
