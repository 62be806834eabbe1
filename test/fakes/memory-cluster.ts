import { FksError } from "#core/errors.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "#core/kube/persistent-volume.ts";
import type { Pod, PodStatus } from "#core/kube/pod.ts";
import { timeOf } from "#core/kube/time.ts";
import { keyFor } from "#core/pod/identity.ts";
import type { Clock } from "#core/ports/clock.ts";
import type {
  ClusterObjects,
  ConfigMapView,
  SecretView,
  ServiceView,
} from "#core/ports/cluster.ts";
import type { PodEvent, PodEvents, Pods } from "#core/ports/pods.ts";
import { type MemoryNamespaces, memoryNamespaces } from "./memory-namespaces.ts";

interface MemoryClusterOptions {
  readonly clock: Clock;
  readonly uid?: string;
}

/** An API server in memory: Pods, what they refer to, Events; and what a user does to them. */
export interface MemoryCluster {
  readonly pods: Pods;
  readonly cluster: ClusterObjects;
  readonly namespaces: MemoryNamespaces;
  readonly events: PodEvents;
  readonly create: (pod: Pod) => void;
  readonly change: (namespace: string, name: string, next: (pod: Pod) => Pod) => void;
  /** As `kubectl delete`: with a grace period of 0 the object goes at once. */
  readonly delete: (namespace: string, name: string, graceSeconds?: number) => void;
  readonly find: (namespace: string, name: string) => Pod | undefined;
  readonly all: () => readonly Pod[];
  /** Of the control plane it was first, whoever answers now. */
  readonly ours: () => readonly Pod[];
  readonly told: () => readonly (PodEvent & { readonly podUid: string })[];
  /** Every status that was written, oldest first. */
  readonly written: readonly { readonly uid: string; readonly status: PodStatus }[];
  /** While true, the watched copies stay as they are; a new process reads them anew. */
  readonly holdWatch: (held: boolean) => void;
  readonly onChange: (listener: (key: string) => void) => void;
  /** Another control plane answers from now on, with Pods of its own. */
  readonly become: (uid: string) => void;
  readonly setConfigMap: (key: string, data: Readonly<Record<string, string>> | undefined) => void;
  /** Values as text; `undefined` deletes it. */
  readonly setSecret: (key: string, data: Readonly<Record<string, string>> | undefined) => void;
  readonly setClaim: (claim: PersistentVolumeClaim) => void;
  readonly setVolume: (volume: PersistentVolume) => void;
  readonly setServices: (namespace: string, all: readonly ServiceView[]) => void;
  readonly tokens: () => number;
  /** Reads of ConfigMaps and Secrets so far: `configmap default/x`. */
  readonly reads: readonly string[];
}

function nameOf({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}

export function memoryCluster({ clock, uid = "cluster-1" }: MemoryClusterOptions): MemoryCluster {
  const planes = new Map<string, Map<string, Pod>>();
  let stored = new Map<string, Pod>();
  let watched = new Map<string, Pod>();
  const listeners: ((key: string) => void)[] = [];
  const written: { uid: string; status: PodStatus }[] = [];
  const told = new Map<string, PodEvent & { podUid: string }>();
  const configMaps = new Map<string, ConfigMapView>();
  const secrets = new Map<string, SecretView>();
  const services = new Map<string, readonly ServiceView[]>();
  const claims = new Map<string, PersistentVolumeClaim>();
  const volumes = new Map<string, PersistentVolume>();
  const reads: string[] = [];
  const namespaces = memoryNamespaces(() => clusterUid);
  for (const name of ["kube-system", "default"]) namespaces.make(name);
  let isHeld = false;
  let clusterUid = uid;
  let tokens = 0;
  let version = 0;
  setConfigMap("default/kube-root-ca.crt", { "ca.crt": "CERTIFICATE" });

  function setConfigMap(key: string, data: Readonly<Record<string, string>> | undefined): void {
    version += 1;
    const view = { binaryData: new Map(), version: String(version), isImmutable: false };
    if (data === undefined) configMaps.delete(key);
    else configMaps.set(key, { data: new Map(Object.entries(data)), ...view });
  }

  function setSecret(key: string, texts: Readonly<Record<string, string>> | undefined): void {
    version += 1;
    const data = new Map(Object.entries(texts ?? {}).map(([name, text]) => [name, btoa(text)]));
    const view = { type: "Opaque", data, version: String(version), isImmutable: false };
    if (texts === undefined) secrets.delete(key);
    else secrets.set(key, view);
  }

  function tell(key: string): void {
    for (const listener of listeners) listener(key);
  }

  /** The watch tells of everything that is different by now. */
  function catchUp(): void {
    if (isHeld) return;
    const before = watched;
    watched = new Map([...stored.values()].map((pod) => [keyFor(pod), pod]));
    for (const key of new Set([...before.keys(), ...watched.keys()])) {
      if (before.get(key) !== watched.get(key)) tell(key);
    }
  }

  function show(key: string, pod: Pod | undefined): void {
    if (isHeld) return;
    if (pod === undefined) watched.delete(key);
    else watched.set(key, pod);
    tell(key);
  }

  function store(pod: Pod): void {
    version += 1;
    const metadata = { ...pod.metadata, resourceVersion: String(version) };
    const next = { ...pod, metadata };
    stored.set(nameOf(pod), next);
    show(keyFor(next), next);
  }

  function discard(pod: Pod): void {
    stored.delete(nameOf(pod));
    show(keyFor(pod), undefined);
  }

  function same(pod: Pod): Pod {
    const found = stored.get(nameOf(pod));
    if (found === undefined) throw new FksError("NotFound", `no Pod ${nameOf(pod)}`);
    if (found.metadata.uid === pod.metadata.uid) return found;
    throw new FksError("Conflict", `${nameOf(pod)} is another Pod by now`);
  }

  const pods: Pods = {
    get: (key) => watched.get(key),
    keys: () => [...watched.keys()],
    isSynced: () => true,
    read: async (namespace, name) => stored.get(`${namespace}/${name}`),
    list: async () => [...stored.values()],
    async patchStatus(pod, status) {
      const found = same(pod);
      written.push({ uid: pod.metadata.uid, status });
      store({ ...found, status });
    },
    async remove(pod) {
      const found = stored.get(nameOf(pod));
      if (found?.metadata.uid === pod.metadata.uid) discard(found);
    },
  };

  const cluster: ClusterObjects = {
    clusterUid: async () => clusterUid,
    async configMap({ metadata }, name) {
      reads.push(`configmap ${metadata.namespace}/${name}`);
      return configMaps.get(`${metadata.namespace}/${name}`);
    },
    claim: async ({ metadata }, name) => claims.get(`${metadata.namespace}/${name}`),
    persistentVolume: async (_pod, name) => volumes.get(name),
    async services(namespace) {
      return services.get(namespace) ?? [];
    },
    async secret({ metadata }, name) {
      reads.push(`secret ${metadata.namespace}/${name}`);
      return secrets.get(`${metadata.namespace}/${name}`);
    },
    async podToken(pod, { expirationSeconds }) {
      same(pod);
      tokens += 1;
      const expiresAt = timeOf(clock.now() + expirationSeconds * 1000);
      return { token: `s3cret-token-${tokens}`, expiresAt };
    },
  };

  return {
    pods,
    cluster,
    namespaces,
    events: {
      async record(pod, event) {
        const id = `${pod.metadata.uid}/${event.id}`;
        if (!told.has(id)) told.set(id, { ...event, podUid: pod.metadata.uid });
      },
    },
    create(pod) {
      if (stored.has(nameOf(pod))) throw new FksError("Conflict", `${nameOf(pod)} exists`);
      store(pod);
    },
    change(namespace, name, next) {
      const found = stored.get(`${namespace}/${name}`);
      if (found !== undefined) store(next(found));
    },
    delete(namespace, name, graceSeconds = 30) {
      const found = stored.get(`${namespace}/${name}`);
      if (found === undefined) return;
      if (graceSeconds === 0) return discard(found);
      const deletionTimestamp = timeOf(clock.now() + graceSeconds * 1000);
      const deletion = { deletionTimestamp, deletionGracePeriodSeconds: graceSeconds };
      store({ ...found, metadata: { ...found.metadata, ...deletion } });
    },
    find: (namespace, name) => stored.get(`${namespace}/${name}`),
    all: () => [...stored.values()],
    ours: () => [...((clusterUid === uid ? stored : planes.get(uid)) ?? []).values()],
    told: () => [...told.values()],
    written,
    holdWatch(held) {
      isHeld = held;
      catchUp();
    },
    onChange: (listener) => void listeners.push(listener),
    become(next) {
      planes.set(clusterUid, stored);
      stored = planes.get(next) ?? new Map<string, Pod>();
      clusterUid = next;
      catchUp();
    },
    setConfigMap,
    setSecret,
    setClaim: (claim) =>
      void claims.set(`${claim.metadata.namespace}/${claim.metadata.name}`, claim),
    setVolume: (volume) => void volumes.set(volume.metadata.name, volume),
    setServices: (namespace, all) => void services.set(namespace, all),
    tokens: () => tokens,
    reads,
  };
}
