import { messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { ApiError, invalid, precondition } from "../errors.ts";
import type { RandomBytes } from "../ids.ts";
import type { MachineRecord } from "../record.ts";
import type { VolumeStats } from "../runtime/runtime.ts";
import { holdersOf, volumeIdsOf } from "./attachments.ts";
import { volumeIds } from "./volume-deps.ts";
import type { VolumeFiles } from "./volume-files.ts";
import { volumeLife } from "./volume-life.ts";
import { type CopySource, type VolumeRecord, volumeView } from "./volume-record.ts";
import { type VolumeSnapshots, volumeSnapshots } from "./volume-snapshots.ts";
import type { VolumeStore } from "./volume-store.ts";

/** What a Machine's steps ask of the volumes in its config. */
export interface MachineVolumes {
  /** What its containers are to see is mounted. `isIdle`: none of them runs yet. */
  mount(machine: MachineRecord, isIdle: boolean, signal: AbortSignal): Promise<void>;
  /** The folder on this host that shows a mounted volume's data. */
  folderOf(id: string): string;
  /** The Machine has no processes any more. */
  release(machine: MachineRecord, signal: AbortSignal): Promise<void>;
}

/** The volumes of this instance and their snapshots. */
export interface VolumeDirectory extends MachineVolumes {
  inApp(app: string): readonly VolumeRecord[];
  all(): readonly VolumeRecord[];
  /** Throws the API's 404. */
  get(app: string, id: string): VolumeRecord;
  /** As the public API shows them. */
  views(records: readonly VolumeRecord[]): readonly Record<string, unknown>[];
  create(asked: NewVolume): Promise<VolumeRecord>;
  update(volume: VolumeRecord, how: VolumeSettings): VolumeRecord;
  /** Whether it must be mounted anew before its file system is as large. */
  extend(volume: VolumeRecord, sizeGb: number): Promise<boolean>;
  /** Of a Machine's volumes, by the name of their mount. */
  usageOf(machine: MachineRecord): readonly VolumeStats[];
  /** Refused while a Machine has it. Resolves when its data are gone. */
  destroy(volume: VolumeRecord): Promise<void>;
  /** Of a deleted App; tells when the last one is gone. */
  destroyAll(app: string, gone: () => void): void;
  readonly snapshots: Pick<VolumeSnapshots, "of" | "take">;
  /** Ends what a former process had begun. Called once, before anything else. */
  recover(signal: AbortSignal): Promise<void>;
}

export interface NewVolume {
  readonly app: string;
  readonly name: string;
  readonly region: string;
  readonly sizeGb: number;
  readonly snapshotRetention: number;
  readonly autoBackup: boolean;
  readonly from: CopySource | undefined;
}

export type VolumeSettings = Partial<Pick<VolumeRecord, "snapshotRetention" | "autoBackup">>;

interface Deps {
  readonly store: VolumeStore;
  readonly files: VolumeFiles;
  /** Every Machine, to know which volumes are attached. */
  readonly machines: () => Iterable<MachineRecord>;
  readonly random: RandomBytes;
  readonly clock: Clock;
  readonly log: Log;
}

export function volumeDirectory(deps: Deps, stopped: AbortSignal): VolumeDirectory {
  const { files, machines, random, clock, log } = deps;
  const newId = volumeIds(random);
  const life = volumeLife(deps, stopped);
  const snapshots = volumeSnapshots({ ...deps, newId }, stopped);

  const inApp = (app: string): readonly VolumeRecord[] =>
    life.all().filter((one) => one.app === app);
  const heldBy = (machine: MachineRecord): readonly VolumeRecord[] =>
    volumeIdsOf(machine.config).flatMap((id) => life.find(id) ?? []);

  /** What a copy is made from, of the same App. */
  function sourceOf(app: string, from: CopySource) {
    if (from.kind === "volume") {
      const volume = life.find(from.id);
      if (volume?.app === app && volume.state === "created") return volume;
      throw invalid(`source volume ${from.id} does not exist`);
    }
    const snapshot = snapshots.find(app, from.id);
    if (snapshot !== undefined) return { sizeGb: snapshot.volumeGb, backing: snapshot.backing };
    throw invalid(`snapshot ${from.id} does not exist`);
  }

  return {
    inApp,
    all: () => life.all(),
    snapshots,
    folderOf: (id) => files.folderOf(id),

    get(app, id) {
      const record = life.find(id);
      if (record?.app !== app) throw new ApiError(404, "volume not found");
      return record;
    },

    views(records) {
      const holders = holdersOf(machines());
      return records.map((one) => volumeView(one, files.usage(one), holders.get(one.id)));
    },

    async create({ from, ...asked }) {
      const source = from && sourceOf(asked.app, from);
      if (source !== undefined && source.sizeGb > asked.sizeGb) {
        throw invalid(`size_gb: the source has ${source.sizeGb} GB`);
      }
      const backing = source?.backing ?? (await files.backing(stopped));
      const id = newId("vol");
      const copied = from === undefined ? {} : { from };
      const createdMs = clock.now();
      return life.made(
        life.save({ ...asked, ...copied, id, createdMs, state: "creating", backing }),
      );
    },

    usageOf({ config: { mounts = [] } }) {
      return mounts.flatMap(({ volume = "", name = volume }) => {
        const record = life.find(volume);
        if (record === undefined) return [];
        const { bytesTotal, bytesUsed } = files.usage(record);
        return [{ name, usedBytes: bytesUsed, capacityBytes: bytesTotal }];
      });
    },

    update: (volume, how) => life.save({ ...volume, ...how }),

    async extend(volume, sizeGb) {
      if (sizeGb <= volume.sizeGb) {
        throw invalid(`size_gb: must be more than the volume's ${volume.sizeGb} GB`);
      }
      if (volume.state !== "created") throw precondition(`volume is ${volume.state}`);
      return !(await files.grow(life.save({ ...volume, sizeGb }), stopped));
    },

    async destroy(volume) {
      const holder = holdersOf(machines()).get(volume.id);
      if (holder !== undefined) {
        throw precondition(`volume is currently bound to machine: ${holder}`);
      }
      await life.removed(volume);
    },

    destroyAll(app, gone) {
      void Promise.all(inApp(app).map(async (one) => life.removed(one))).then(
        gone,
        (err: unknown) =>
          log.error("volumes of a deleted app are left until the next start", { app, err }),
      );
    },

    async mount(machine, isIdle, signal) {
      for (const one of heldBy(machine)) await files.mount(one, isIdle, signal);
    },

    async release(machine, signal) {
      for (const one of heldBy(machine)) await files.release(one, signal);
    },

    async recover(signal) {
      for (const record of life.all()) {
        signal.throwIfAborted();
        if (record.state === "pending_destroy") await life.removed(record);
        if (record.state !== "creating") continue;
        await life.made(record).catch((error: unknown) => {
          signal.throwIfAborted();
          log.warn("volume could not be made", { volume: record.id, reason: messageOf(error) });
        });
      }
      await snapshots.recover();
    },
  };
}
