import { FksError, messageOf } from "#core/errors.ts";
import type { HostTrouble } from "#core/fly/machine-protocol.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Bundles } from "./bundles.ts";
import type { Images } from "./images/images.ts";
import { iso, type MachineRecord } from "./record.ts";

/** As the kubelet: how often it looks, and how long an image is left alone after it came. */
const LOOK_MS = 300_000;
const MIN_AGE_MS = 120_000;

/** How many troubles are kept to be told. */
const TROUBLES_MAX = 10;

/** In percent of the disk; with a `high` of 100 nothing is ever collected for lack of room. */
export interface ImageThresholds {
  readonly high: number;
  readonly low: number;
}

export interface DiskSpace {
  readonly capacityBytes: number;
  readonly availableBytes: number;
}

interface CollectorDeps {
  readonly images: Images;
  readonly thresholds: ImageThresholds;
  /** Of the disk that images are on. */
  readonly disk: () => DiskSpace;
  /** References of all images that a Machine was given. */
  readonly inUse: () => Iterable<string>;
  readonly removed: (count: number) => void;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ImageCollector {
  /** Looks now and every five minutes, until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Frees whatever no Machine needs, however much room there is. */
  reclaim(signal: AbortSignal): Promise<void>;
  /** What went wrong lately, oldest first, in the kubelet's reasons and words. */
  troubles(): readonly HostTrouble[];
}

/**
 * Keeps the disk from filling up with images, by the kubelet's rules: once `high` is reached, unused
 * images go until it is down to `low`.
 */
export function imageCollector(deps: CollectorDeps): ImageCollector {
  const { images, thresholds, disk, clock, log } = deps;
  let troubles: readonly HostTrouble[] = [];
  let hasFailed = false;

  function tell(reason: string, message: string): void {
    const trouble = { reason, message, at: iso(clock.now()) };
    troubles = [...troubles, trouble].slice(-TROUBLES_MAX);
  }

  async function free(isEnough: () => boolean, signal: AbortSignal): Promise<void> {
    const request = { inUse: deps.inUse(), minAgeMs: MIN_AGE_MS, isEnough };
    const names = await images.reclaim(request, signal);
    if (names.length === 0) return;
    deps.removed(names.length);
    log.info("images removed", { images: names });
  }

  /** Throws FksError with the kubelet's words when there is not room enough afterwards. */
  async function collect(signal: AbortSignal): Promise<void> {
    const before = disk();
    if (before.capacityBytes <= 0) {
      const message = "invalid capacity 0 on image filesystem";
      tell("InvalidDiskCapacity", message);
      throw new FksError("Unavailable", message);
    }
    const usedPercent = usedPercentOf(before);
    const isOver = thresholds.high < 100 && usedPercent >= thresholds.high;
    const wanted = (before.capacityBytes * (100 - thresholds.low)) / 100;
    const isEnough = (): boolean => !isOver || disk().availableBytes >= wanted;
    await free(isEnough, signal);
    if (isEnough()) return;

    const freed = Math.max(0, disk().availableBytes - before.availableBytes);
    const message =
      `Insufficient free disk space on the node's image filesystem (${usedPercent}% of ${sizeText(before.capacityBytes)} used). ` +
      `Failed to free sufficient space by deleting unused images (freed ${freed} bytes). ` +
      "Investigate disk usage, as it could be used by active images, logs, volumes, or other data.";
    tell("FreeDiskSpaceFailed", message);
    throw new FksError("Unavailable", message);
  }

  async function look(signal: AbortSignal): Promise<void> {
    try {
      await collect(signal);
      hasFailed = false;
    } catch (err) {
      if (signal.aborted) return;
      if (!(err instanceof FksError)) throw err;
      log.warn("images not collected", { err, retry_in_ms: LOOK_MS });
      // As in the kubelet, which lets one failure pass.
      if (hasFailed) tell("ImageGCFailed", messageOf(err));
      hasFailed = true;
    }
  }

  return {
    reclaim: (signal) => free(() => false, signal),
    troubles: () => troubles,
    async run(signal) {
      while (!signal.aborted) {
        // oxlint-disable-next-line no-await-in-loop -- one look after the other
        await look(signal);
        // oxlint-disable-next-line no-await-in-loop -- see above
        await sleep(clock, LOOK_MS, signal).catch(() => {});
      }
    },
  };
}

/** The images of every Machine that is still there, those of its volumes too. */
export function* imagesIn(
  machines: Iterable<MachineRecord>,
  bundles: Pick<Bundles, "images">,
): Generator<string> {
  for (const { id, state, containers } of machines) {
    if (state === "destroyed") continue;
    for (const { image } of containers) yield image;
    yield* bundles.images(id);
  }
}

function usedPercentOf({ capacityBytes, availableBytes }: DiskSpace): number {
  return 100 - Math.trunc((Math.min(availableBytes, capacityBytes) * 100) / capacityBytes);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** As the kubelet writes sizes: `512 B`, `1.5 GiB`. */
function sizeText(bytes: number): string {
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), UNITS.length - 1);
  const size = bytes / 1_024 ** power;
  return `${power === 0 ? size : size.toFixed(1)} ${UNITS[power]}`;
}
