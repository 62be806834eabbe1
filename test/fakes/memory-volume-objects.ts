import { volumeFrom } from "#adapters/kubernetes/volume-codec.ts";
import { FksError } from "#core/errors.ts";
import type {
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from "#core/kube/persistent-volume.ts";
import type { VolumeObjects } from "#core/ports/volume-objects.ts";
import { CLAIM_FINALIZER, VOLUME_FINALIZER } from "#core/volume/names.ts";

export interface MemoryVolumeObjects extends VolumeObjects {
  putClaim(claim: PersistentVolumeClaim): void;
  dropClaim(claim: PersistentVolumeClaim): void;
  putVolume(volume: PersistentVolume): void;
  putClass(storageClass: StorageClass): void;
}

/** The API server's part, without its controllers: nothing is bound unless a test does it. */
export function memoryVolumeObjects(nodes: Readonly<Record<string, string>>): MemoryVolumeObjects {
  const claims = new Map<string, PersistentVolumeClaim>();
  const volumes = new Map<string, PersistentVolume>();
  const classes = new Map<string, StorageClass>();
  let serial = 0;

  function changeClaim(
    claim: PersistentVolumeClaim,
    change: (known: PersistentVolumeClaim) => PersistentVolumeClaim,
  ): void {
    const known = claims.get(keyOf(claim));
    if (known?.metadata.uid === claim.metadata.uid) claims.set(keyOf(claim), change(known));
  }

  return {
    putClaim: (claim) => void claims.set(keyOf(claim), claim),
    dropClaim: (claim) => void claims.delete(keyOf(claim)),
    putVolume: (volume) => void volumes.set(volume.metadata.name, volume),
    putClass: (storageClass) => void classes.set(storageClass.metadata.name, storageClass),

    claim: (key) => claims.get(key),
    volume: (name) => volumes.get(name),
    volumes: () => [...volumes.values()],
    storageClass: (name) => classes.get(name),
    regionOf: (node) => nodes[node],
    regions: () => [...new Set(Object.values(nodes))],
    readClaim: async (namespace, name) => claims.get(`${namespace}/${name}`),
    readVolume: async (name) => volumes.get(name),

    async createVolume(body) {
      serial += 1;
      const { metadata, ...rest } = Object(body);
      const stamps = { uid: `volume-${serial}`, resourceVersion: "1" };
      const volume = volumeFrom({ ...rest, metadata: { ...metadata, ...stamps } });
      const { name } = volume.metadata;
      if (volumes.has(name)) throw new FksError("Conflict", `"${name}" already exists`);
      volumes.set(name, volume);
    },
    async setCapacity({ metadata: { name } }, storage) {
      const known = volumes.get(name);
      if (known !== undefined) {
        volumes.set(name, { ...known, spec: { ...known.spec, storage } });
      }
    },
    async removeVolume({ metadata: { name } }) {
      volumes.delete(name);
    },
    async letVolumeGo({ metadata: { name } }) {
      const known = volumes.get(name);
      if (known === undefined) return;
      const left = known.metadata.finalizers.filter((one) => one !== VOLUME_FINALIZER);
      volumes.set(name, withFinalizers(known, left));
    },
    async hold(claim) {
      changeClaim(claim, (known) => withFinalizers(known, [CLAIM_FINALIZER]));
    },
    async letGo(claim) {
      changeClaim(claim, (known) => withFinalizers(known, []));
    },
    async showSize(claim, size) {
      changeClaim(claim, (known) => {
        if ("storage" in size) {
          const status = { ...known.status, storage: size.storage, conditions: [] };
          return { ...known, status };
        }
        const pending = { type: "FileSystemResizePending", status: "True" };
        return { ...known, status: { ...known.status, conditions: [pending] } };
      });
    },
  };
}

function keyOf({ metadata }: PersistentVolumeClaim): string {
  return `${metadata.namespace}/${metadata.name}`;
}

function withFinalizers<T extends PersistentVolume | PersistentVolumeClaim>(
  object: T,
  finalizers: readonly string[],
): T {
  return { ...object, metadata: { ...object.metadata, finalizers } };
}
