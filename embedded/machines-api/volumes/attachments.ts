/** Which Machine has which volume: what its config mounts is its own until it is destroyed. Pure. */
import type { MachineConfig } from "#core/fly/machine.ts";
import { invalid, precondition } from "../errors.ts";
import type { MachineRecord } from "../record.ts";
import type { VolumeRecord } from "./volume-record.ts";

export function volumeIdsOf({ mounts = [] }: MachineConfig): readonly string[] {
  return mounts.flatMap(({ volume }) => (volume === undefined ? [] : [volume]));
}

/** By volume the Machine that holds it. */
export function holdersOf(machines: Iterable<MachineRecord>): ReadonlyMap<string, string> {
  const holders = new Map<string, string>();
  for (const { id, state, config } of machines) {
    if (state === "destroyed") continue;
    for (const volume of volumeIdsOf(config)) holders.set(volume, id);
  }
  return holders;
}

interface Attachable {
  /** Of the Machine's App. */
  readonly volumes: readonly VolumeRecord[];
  readonly holders: ReadonlyMap<string, string>;
  /** Where the Machine is to be. */
  readonly region: string;
}

/** The config with the volumes it names, each of which it may have; throws the API's refusals. */
export function withVolumes(config: MachineConfig, at: Attachable): MachineConfig {
  if (config.mounts === undefined || config.mounts.length === 0) return config;
  const taken = new Set<string>();
  const mounts = config.mounts.map((mount) => {
    const { id } = volumeFor(mount, at, taken);
    taken.add(id);
    return { ...mount, volume: id };
  });
  if (new Set(mounts.map(({ path }) => path)).size < mounts.length) {
    throw invalid("paths of mounts must differ");
  }
  return { ...config, mounts };
}

type Mount = NonNullable<MachineConfig["mounts"]>[number];

function volumeFor(
  { volume: id, name }: Mount,
  { volumes, holders, region }: Attachable,
  taken: ReadonlySet<string>,
): VolumeRecord {
  if (id === undefined) {
    const free = volumes.find(
      (one) =>
        isReady(one, region) && one.name === name && !holders.has(one.id) && !taken.has(one.id),
    );
    if (free !== undefined) return free;
    throw precondition(`no unattached volume named '${name ?? ""}' in region ${region}`);
  }
  const found = volumes.find((one) => one.id === id);
  if (found === undefined) throw invalid(`volume ${id} does not exist`);
  if (taken.has(id)) throw invalid(`volume ${id} is mounted twice`);
  const holder = holders.get(id);
  if (holder !== undefined) {
    throw precondition(`volume ${id} is already attached to machine ${holder}`);
  }
  if (found.region !== region) {
    throw invalid(`volume ${id} is in region ${found.region}, the machine in ${region}`);
  }
  if (isReady(found, region)) return found;
  throw precondition(`volume ${id} is not ready: ${found.state}`);
}

function isReady(volume: VolumeRecord, region: string): boolean {
  return volume.region === region && volume.state === "created";
}

/** The region a Machine has to be in for its volumes; undefined when it may be anywhere. */
export function regionOfVolumes(
  config: MachineConfig,
  volumes: readonly VolumeRecord[],
): string | undefined {
  const ids = volumeIdsOf(config);
  return volumes.find(({ id }) => ids.includes(id))?.region;
}
