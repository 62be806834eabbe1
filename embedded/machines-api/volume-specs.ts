/** The volumes of a Machine as its runtime is told of them. Pure. */
import type { ContainerConfig, MachineConfig, MachineMount } from "#core/fly/machine.ts";
import type { Bundle, ContainerMount, VolumeFile } from "#core/fly/machine-protocol.ts";
import type { Image } from "./images/images.ts";
import type { MountSpec, VolumeSpec } from "./runtime/runtime.ts";

/** What a container mounts; the bundle's word wins over the config's. */
export function mountsWanted(
  config: ContainerConfig | undefined,
  name: string,
  bundle: Bundle | undefined,
): readonly ContainerMount[] {
  return bundle?.containers[name]?.mounts ?? config?.mounts ?? [];
}

/** The folder on this host that shows the data of a volume with this id. */
export type FolderOf = (volumeId: string) => string;

/** The container's mounts, or which of them has no volume. */
export function mountsOf(
  machine: MachineConfig,
  config: ContainerConfig,
  bundle: Bundle | undefined,
  images: ReadonlyMap<string, Image>,
  folderOf: FolderOf,
): readonly MountSpec[] | string {
  // A Machine without a bundle shows its volumes to all of its containers.
  const mounts: MountSpec[] =
    bundle === undefined
      ? (machine.mounts ?? []).map((mount) => ({
          volume: persistentVolume(mount, folderOf),
          path: mount.path,
          readOnly: false,
        }))
      : [];
  const given = bundle?.containers[config.name] ?? {};
  for (const { name, path, subPath, readOnly } of mountsWanted(config, config.name, bundle)) {
    const volume =
      imageVolume(name, images.get(name)) ??
      mountedVolume(machine, name, folderOf) ??
      volumeOf(machine, name, bundle);
    if (volume === undefined) return `volume "${name}" of mount "${path}" is not defined`;
    mounts.push({
      volume,
      path,
      ...(subPath === undefined ? {} : { subPath }),
      readOnly: readOnly ?? given.readOnlyMounts?.includes(name) ?? false,
    });
  }
  return mounts;
}

function volumeOf(
  { volumes = [] }: MachineConfig,
  name: string,
  bundle: Bundle | undefined,
): VolumeSpec | undefined {
  const files = bundle?.volumes[name];
  if (files !== undefined) return filesVolume(name, files);
  const volume = volumes.find((other) => other.name === name);
  if (volume === undefined) return undefined;
  const kind = volume.temp_dir?.storage_type === "memory" ? "memory" : "disk";
  return { name, kind, sizeMb: volume.temp_dir?.size_mb, files: [] };
}

/** The Machine's volume that a container calls by the name of its mount. */
function mountedVolume(
  { mounts = [] }: MachineConfig,
  name: string,
  folderOf: FolderOf,
): VolumeSpec | undefined {
  const mount = mounts.find((one) => one.name === name);
  return mount === undefined ? undefined : persistentVolume(mount, folderOf);
}

function persistentVolume({ volume = "" }: MachineMount, folderOf: FolderOf): VolumeSpec {
  const folder = folderOf(volume);
  return { name: volume, kind: "persistent", folder, sizeMb: undefined, files: [] };
}

function imageVolume(name: string, image: Image | undefined): VolumeSpec | undefined {
  if (image === undefined) return undefined;
  return { name, kind: "image", imageRoot: image.root, sizeMb: undefined, files: [] };
}

export function filesVolume(name: string, files: readonly VolumeFile[]): VolumeSpec {
  return {
    name,
    kind: "files",
    sizeMb: undefined,
    files: files.map(({ path, mode, uid, content }) => ({
      path,
      mode,
      ...(uid === undefined ? {} : { uid }),
      content: Buffer.from(content, "base64"),
    })),
  };
}
