import { join } from "node:path";
import type { Clock } from "#core/ports/clock.ts";
import { type Content, contentIn } from "./content.ts";
import { fileLock } from "./file-lock.ts";
import { mountedRoots } from "./mounted-roots.ts";
import { type RefRecord, type Refs, refsIn } from "./refs.ts";
import { sharedWork } from "./shared-work.ts";
import { blobsOf, type StoredImage, unpackLayersOf } from "./stored-image.ts";
import type { UnpackLimits } from "./unpack-limits.ts";
import type { Unpacker } from "./unpacker.ts";

export interface ImageStoreOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly limits: UnpackLimits;
  readonly isDurable: boolean;
  readonly unpacker: Unpacker;
  readonly onUnpack: (name: string) => void;
}

/** Images of this host at rest; several processes may open the same folder. */
export interface ImageStore {
  readonly content: Content;
  readonly refs: Refs;
  /** Whoever adds content does it in here, so that nothing is collected before it has a name. */
  adding<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Sees to it that the image's root is there. Throws `InvalidInput` for a hostile image. */
  unpack(image: StoredImage, name: string, signal: AbortSignal): Promise<void>;
  /** True when the image can be used as it is, or unpacked from what is here. */
  isComplete(image: StoredImage): boolean;
  /**
   * Deletes what no name, no Machine and no mount needs. While others add it waits until `until`
   * aborts, which throws; without one it does nothing.
   */
  collect(inUse: ReadonlySet<string>, until?: AbortSignal): Promise<void>;
}

export function imageStore(options: ImageStoreOptions): ImageStore {
  const { folder, clock, limits, isDurable, unpacker } = options;
  const content = contentIn(folder);
  const refs = refsIn(folder, fileLock(join(folder, "refs.lock"), clock));
  const contentLock = fileLock(join(folder, "content.lock"), clock);
  const unpacks = sharedWork<void>();
  content.removeLeftovers();

  return {
    content,
    refs,
    adding: (work, signal) => contentLock.hold("shared", work, signal),
    async unpack(image, name, signal) {
      if (content.hasRoot(image.config)) return;
      const work = async (stop: AbortSignal): Promise<void> => {
        options.onUnpack(name);
        const scratch = content.scratch();
        try {
          const root = join(scratch, "root");
          await unpacker({ root, layers: unpackLayersOf(content, image), limits, isDurable }, stop);
          content.adoptRoot(root, image.config);
        } finally {
          content.removeScratch(scratch);
        }
      };
      await unpacks(image.config, work, signal);
    },
    isComplete(image) {
      if (![image.config, image.manifest].every((digest) => content.hasBlob(digest))) return false;
      if (content.hasRoot(image.config)) return true;
      return blobsOf(content, image).every((digest) => content.hasBlob(digest));
    },
    async collect(inUse, until) {
      const work = (): Promise<void> => collect(content, refs.all(), inUse);
      if (until === undefined) await contentLock.holdIfFree(work);
      else await contentLock.hold("exclusive", work, until);
    },
  };
}

async function collect(
  content: Content,
  refs: ReadonlyMap<string, RefRecord>,
  inUse: ReadonlySet<string>,
): Promise<void> {
  const records = [...refs.values()];
  const mounted = mountedRoots();
  const roots = new Set([...records.map(({ config }) => config), ...inUse, ...mounted]);
  // A config outlives its name as long as its root does: it says how to run what is in there.
  const blobs = new Set([...records.flatMap((record) => blobsOf(content, record)), ...roots]);
  const here = content.digests();
  for (const digest of here.roots) {
    // oxlint-disable-next-line no-await-in-loop -- the disk does one after the other anyway
    if (!roots.has(digest)) await content.removeRoot(digest);
  }
  for (const digest of here.blobs) if (!blobs.has(digest)) content.removeBlob(digest);
}
