import { FksError } from "#core/errors.ts";
import type { MachineConfig } from "#core/fly/machine.ts";
import { GIB, VOLUME_MAX_GB, type Volume } from "#core/fly/volume.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Volumes } from "#core/ports/volumes.ts";
import type { MemoryMachine } from "./memory-machine.ts";

interface MemoryVolumesOptions {
  readonly hasApp: (name: string) => boolean;
  readonly machines: () => readonly MemoryMachine[];
  readonly clock: Pick<Clock, "now">;
  /** Called first by every method. */
  readonly called?: (what: string) => void;
}

export interface MemoryVolumes extends Volumes {
  readonly all: () => readonly Volume[];
  /** Throws what the Machines API would for a Machine with this config. */
  claim(app: string, region: string, config: MachineConfig): void;
  /** The App is gone. */
  forget(app: string): void;
}

interface Held {
  readonly app: string;
  readonly volume: Volume;
}

/** The interface `Volumes` over the memory world. */
export function memoryVolumes(options: MemoryVolumesOptions): MemoryVolumes {
  const { hasApp, machines, clock, called = () => {} } = options;
  const held = new Map<string, Held>();
  let serial = 0;

  const holderOf = (id: string): string | undefined =>
    machines().find(({ machine }) =>
      (machine.config?.mounts ?? []).some(({ volume }) => volume === id),
    )?.machine.id;

  function shown({ volume }: Held): Volume {
    const attached = holderOf(volume.id);
    return attached === undefined ? volume : { ...volume, attached_machine_id: attached };
  }

  function find(app: string, id: string): Held {
    const found = held.get(id);
    if (found?.app !== app) throw new FksError("NotFound", `volume not found: ${id}`);
    return found;
  }

  function begin(signal: AbortSignal, what: string): void {
    signal.throwIfAborted();
    called(what);
  }

  function inApp(app: string): readonly Held[] {
    if (!hasApp(app)) throw new FksError("NotFound", `Could not find App "${app}"`);
    return [...held.values()].filter((one) => one.app === app);
  }

  return {
    all: () => [...held.values()].map(shown),

    claim(app, region, { mounts = [] }) {
      for (const { volume: id = "" } of mounts) {
        const found = held.get(id);
        if (found?.app !== app || found.volume.region !== region) {
          throw new FksError("InvalidInput", `volume ${id} is not in ${app} and ${region}`);
        }
        const holder = holderOf(id);
        if (holder === undefined) continue;
        throw new FksError("Conflict", `volume ${id} is already attached to machine ${holder}`);
      }
    },

    forget(app) {
      for (const [id, one] of held) if (one.app === app) held.delete(id);
    },

    async list(app, signal) {
      begin(signal, `list volumes ${app}`);
      return inApp(app).map(shown);
    },

    async get(app, id, signal) {
      begin(signal, `get volume ${app}/${id}`);
      return shown(find(app, id));
    },

    async create(app, request, signal) {
      begin(signal, `create volume ${app}/${request.name}`);
      inApp(app);
      const { name, region, size_gb } = request;
      if (size_gb < 1 || size_gb > VOLUME_MAX_GB || !/^\w{1,30}$/.test(name)) {
        throw new FksError("InvalidInput", `no volume ${name} of ${size_gb} GB`);
      }
      serial += 1;
      const volume: Volume = {
        id: `vol_${serial.toString(36).padStart(16, "0")}`,
        name,
        state: "created",
        size_gb,
        region,
        encrypted: request.encrypted ?? true,
        fstype: "ext4",
        created_at: new Date(clock.now()).toISOString(),
        bytes_total: size_gb * GIB,
      };
      held.set(volume.id, { app, volume });
      return volume;
    },

    async extend(app, id, sizeGb, signal) {
      begin(signal, `extend volume ${app}/${id}`);
      const { volume } = find(app, id);
      if (sizeGb <= volume.size_gb) throw new FksError("InvalidInput", "volumes only grow");
      const grown = { app, volume: { ...volume, size_gb: sizeGb, bytes_total: sizeGb * GIB } };
      held.set(id, grown);
      return { volume: shown(grown), needsRestart: false };
    },

    async destroy(app, id, signal) {
      begin(signal, `destroy volume ${app}/${id}`);
      if (held.get(id)?.app !== app) return;
      const holder = holderOf(id);
      if (holder !== undefined) {
        throw new FksError("Conflict", `volume is currently bound to machine: ${holder}`);
      }
      held.delete(id);
    },
  };
}
