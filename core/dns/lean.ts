import type { NamedService, NamedSlice } from "./service-records.ts";

/** Makes what names need of objects and no more; of what is alike in many there is one. */
export interface Lean {
  service(read: NamedService): NamedService;
  slice(read: NamedSlice): NamedSlice;
}

/** Different ones that are remembered; each one beyond is on its own. */
const DIFFERENT_MAX = 10_000;

export function lean(): Lean {
  const namespaces = alike((text: string) => text);
  const servicePorts = alike((ports: NamedService["spec"]["ports"]) => keyOf(ports));
  const slicePorts = alike((ports: NamedSlice["ports"]) => keyOf(ports));

  return {
    service({ metadata, spec: { type, clusterIP, clusterIPs, externalName, ports } }) {
      const own = {
        type,
        clusterIP,
        clusterIPs,
        ports: servicePorts(ports.map(({ name, protocol, port }) => ({ name, protocol, port }))),
      };
      return {
        metadata: { name: metadata.name, namespace: namespaces(metadata.namespace) },
        spec: externalName === undefined ? own : { ...own, externalName },
      };
    },
    slice({ metadata, service, ports, endpoints }) {
      return {
        metadata: { name: metadata.name, namespace: namespaces(metadata.namespace) },
        service,
        ports: slicePorts(ports),
        // No name leads to the others.
        endpoints: endpoints
          .filter(({ isReady }) => isReady)
          .map(({ addresses, isReady, hostname }) =>
            hostname === undefined ? { addresses, isReady } : { addresses, isReady, hostname },
          ),
      };
    },
  };
}

function keyOf(ports: NamedSlice["ports"]): string {
  return ports.map(({ name, protocol, port }) => `${name} ${protocol} ${port}`).join();
}

/** Gives the first one with the same key in place of each. */
function alike<T>(keyFor: (one: T) => string): (one: T) => T {
  const first = new Map<string, T>();
  return (one) => {
    const key = keyFor(one);
    const known = first.get(key);
    if (known === undefined && first.size < DIFFERENT_MAX) first.set(key, one);
    return known ?? one;
  };
}
