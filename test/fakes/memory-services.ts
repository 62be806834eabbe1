import { FksError } from "#core/errors.ts";
import type { Service } from "#core/kube/service.ts";
import type { Services } from "#core/ports/services.ts";
import { service } from "#test/fixtures/services.ts";

/** Services in memory; the watch lags until it is let on. */
export interface MemoryServices extends Services {
  /** As the API server does after every webhook: refuses a name or an address that is taken. */
  create(namespace: string, name: string, clusterIP: string): void;
  delete(key: string): void;
  stored(): readonly Service[];
  /** The watch catches up; gives the keys that changed. */
  catchUp(): readonly string[];
}

export function memoryServices(): MemoryServices {
  const stored = new Map<string, Service>();
  let seen = new Map<string, Service>();
  let serial = 0;

  return {
    get: (key) => seen.get(key),
    all: () => [...seen.values()],
    async read(namespace, name, signal) {
      signal.throwIfAborted();
      return stored.get(`${namespace}/${name}`);
    },
    async annotate(about, annotations, signal) {
      signal.throwIfAborted();
      const { namespace, name, uid } = about.metadata;
      const found = stored.get(`${namespace}/${name}`);
      if (found === undefined) throw new FksError("NotFound", `no Service ${name}`);
      if (found.metadata.uid !== uid) throw new FksError("Conflict", "another Service");
      const all = { ...found.metadata.annotations, ...annotations };
      const metadata = { ...found.metadata, annotations: all };
      stored.set(`${namespace}/${name}`, { ...found, metadata });
    },
    create(namespace, name, clusterIP) {
      const key = `${namespace}/${name}`;
      if (stored.has(key)) throw new FksError("Conflict", `Service ${key} exists`);
      const isTaken = [...stored.values()].some(({ spec }) => spec.clusterIP === clusterIP);
      if (isTaken) throw new FksError("InvalidInput", `${clusterIP} is already allocated`);
      serial += 1;
      stored.set(key, aService(namespace, name, clusterIP, `svc-${serial}`));
    },
    delete: (key) => void stored.delete(key),
    stored: () => [...stored.values()],
    catchUp() {
      const before = seen;
      seen = new Map(stored);
      const keys = new Set([...before.keys(), ...seen.keys()]);
      return [...keys].filter((key) => before.get(key) !== seen.get(key));
    },
  };
}

function aService(namespace: string, name: string, clusterIP: string, uid: string): Service {
  const made = service({ clusterIP, clusterIPs: [clusterIP], ports: [] }, name);
  return { ...made, metadata: { ...made.metadata, namespace, uid } };
}
