import { FksError } from "#core/errors.ts";
import type { Namespace } from "#core/kube/namespace.ts";
import type { Namespaces } from "#core/ports/namespaces.ts";

/** Namespaces in memory, and what users and the namespace controller do to them. */
export interface MemoryNamespaces extends Namespaces {
  make(name: string, labels?: Readonly<Record<string, string>>): void;
  label(name: string, labels: Readonly<Record<string, string>>): void;
  /** As `kubectl delete namespace`: it goes once it is empty and nobody holds it. */
  delete(name: string): void;
  /** Nothing is in it any more. */
  empty(name: string): void;
  find(name: string): Namespace | undefined;
}

export function memoryNamespaces(clusterUid: () => string): MemoryNamespaces {
  const stored = new Map<string, Namespace>();
  let serial = 0;

  function same({ metadata: { name, uid } }: Namespace): Namespace {
    const found = stored.get(name);
    if (found === undefined) throw new FksError("NotFound", `no namespace "${name}"`);
    if (found.metadata.uid === uid) return found;
    throw new FksError("Conflict", `"${name}" is another namespace by now`);
  }

  function read(name: string): Namespace {
    const found = stored.get(name);
    if (found === undefined) throw new FksError("NotFound", `no namespace "${name}"`);
    if (name !== "kube-system") return found;
    return { ...found, metadata: { ...found.metadata, uid: clusterUid() } };
  }

  function store(namespace: Namespace): void {
    const { metadata, spec } = namespace;
    const isHeld = metadata.finalizers.length > 0 || spec.finalizers.length > 0;
    const isGone = metadata.deletionTimestamp !== undefined && !isHeld;
    if (isGone) stored.delete(metadata.name);
    else stored.set(metadata.name, namespace);
  }

  function change(name: string, part: Partial<Namespace["metadata"]>): void {
    const found = read(name);
    store({ ...found, metadata: { ...found.metadata, ...part } });
  }

  return {
    async read(name, signal) {
      signal.throwIfAborted();
      return read(name);
    },
    async list(signal) {
      signal.throwIfAborted();
      return [...stored.keys()].map(read);
    },
    async claim(namespace, { labels, finalizer }, signal) {
      signal.throwIfAborted();
      const { metadata } = namespace.metadata.name === "kube-system" ? namespace : same(namespace);
      if (metadata.deletionTimestamp !== undefined && !metadata.finalizers.includes(finalizer)) {
        throw new FksError("Conflict", `namespace "${metadata.name}" is being deleted`);
      }
      const finalizers = [...new Set([...metadata.finalizers, finalizer])];
      change(metadata.name, { labels: { ...metadata.labels, ...labels }, finalizers });
    },
    async letGo(namespace, finalizer, signal) {
      signal.throwIfAborted();
      const found = stored.get(namespace.metadata.name);
      if (found?.metadata.uid !== namespace.metadata.uid) return;
      const finalizers = found.metadata.finalizers.filter((other) => other !== finalizer);
      change(found.metadata.name, { finalizers });
    },
    make(name, labels = {}) {
      if (stored.has(name)) throw new FksError("Conflict", `"${name}" exists`);
      serial += 1;
      const uid = `ns-${name}-${serial}`;
      const creationTimestamp = new Date(serial * 1_000).toISOString();
      store({
        metadata: { name, uid, creationTimestamp, labels, annotations: {}, finalizers: [] },
        spec: { finalizers: ["kubernetes"] },
        status: { phase: "Active" },
      });
    },
    label: (name, labels) => change(name, { labels: { ...read(name).metadata.labels, ...labels } }),
    delete: (name) => change(name, { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    empty(name) {
      store({ ...read(name), spec: { finalizers: [] } });
    },
    find: (name) => stored.get(name),
  };
}
