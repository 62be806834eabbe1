import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { ImageStore } from "./image-store.ts";
import type { ReclaimRequest } from "./images.ts";
import { referenceOf } from "./reference.ts";
import { type RefRecord, recordOf } from "./refs.ts";

/** How long images may be taken in before freeing disk gives up: what is new has no name yet. */
const PATIENCE_MS = 10_000;

interface Seen {
  readonly firstMs: number;
  /** 0: never, as far as this process knows. */
  readonly usedMs: number;
}

interface Candidate extends Seen {
  readonly config: string;
  readonly names: readonly string[];
}

interface Reclaimer {
  /** Somebody starts from the image with this config now. */
  used(config: string): void;
  reclaim(request: ReclaimRequest, signal: AbortSignal): Promise<readonly string[]>;
}

/**
 * Takes images away that nobody uses. Names go first and content second: a crash in between leaves
 * content without a name, which goes the next time. When an image was used is not written down.
 */
export function reclaimer(store: ImageStore, clock: Clock): Reclaimer {
  const { refs } = store;
  const seen = new Map<string, Seen>();

  function note(config: string, isUsed: boolean): void {
    const nowMs = clock.now();
    const { firstMs, usedMs } = seen.get(config) ?? { firstMs: nowMs, usedMs: 0 };
    seen.set(config, { firstMs, usedMs: isUsed ? nowMs : usedMs });
  }

  function candidatesFor(used: ReadonlySet<string>, minAgeMs: number): readonly Candidate[] {
    const nowMs = clock.now();
    const images = Map.groupBy(refs.all(), ([, { config }]) => config);
    for (const config of images.keys()) note(config, used.has(config));
    for (const config of seen.keys()) if (!images.has(config)) seen.delete(config);
    return [...images]
      .filter(([config, named]) => !used.has(config) && named.every(isPulled))
      .map(([config, named]) => {
        const { firstMs, usedMs } = seen.get(config) ?? { firstMs: nowMs, usedMs: 0 };
        return { config, names: named.map(([name]) => name), firstMs, usedMs };
      })
      .filter(({ firstMs }) => nowMs - firstMs >= minAgeMs)
      .toSorted((a, b) => a.usedMs - b.usedMs || a.firstMs - b.firstMs);
  }

  async function collect(used: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    const late = clock.timeout(PATIENCE_MS);
    try {
      await store.collect(used, AbortSignal.any([signal, late]));
    } catch (error) {
      if (signal.aborted || !late.aborted) throw error;
      const message = "images are being taken in, none goes meanwhile";
      throw new FksError("Unavailable", message, { cause: error });
    }
  }

  for (const { config } of refs.all().values()) note(config, false);
  return {
    used: (config) => note(config, true),

    async reclaim({ inUse, minAgeMs, isEnough }, signal) {
      const used = configsOf(refs.all(), inUse);
      const candidates = candidatesFor(used, minAgeMs);
      // What has no name is no loss: it goes also when there is room.
      if (isEnough()) await store.collect(used);
      else await collect(used, signal);

      const removed: string[] = [];
      for (const { config, names } of candidates) {
        if (isEnough()) break;
        // oxlint-disable-next-line no-await-in-loop -- one may be enough
        await refs.update((images) => {
          for (const name of names) if (images.get(name)?.config === config) images.delete(name);
        }, signal);
        removed.push(...names);
        // oxlint-disable-next-line no-await-in-loop -- see above
        await collect(used, signal);
      }
      return removed;
    },
  };
}

function isPulled([, { source }]: readonly [string, RefRecord]): boolean {
  return source === "pulled";
}

/** What the references lead to; those that lead nowhere, or are none, need nothing. */
function configsOf(
  records: ReadonlyMap<string, RefRecord>,
  references: Iterable<string>,
): ReadonlySet<string> {
  const configs = new Set<string>();
  for (const text of new Set(references)) {
    try {
      const record = recordOf(records, referenceOf(text));
      if (record !== undefined) configs.add(record.config);
    } catch (error) {
      if (!FksError.is(error, "InvalidInput")) throw error;
    }
  }
  return configs;
}
