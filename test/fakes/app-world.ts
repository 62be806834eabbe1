import { namespaceApps } from "#core/app/namespace-apps.ts";
import { namespaceReconciler } from "#core/app/namespace-reconciler.ts";
import type { Machine } from "#core/fly/machine.ts";
import type { ObjectEvent } from "#core/ports/object-events.ts";
import { fakeClock } from "./clock.ts";
import { memoryLog } from "./log.ts";
import { memoryWorld } from "./machines.ts";
import { memoryNamespaces } from "./memory-namespaces.ts";

const forever = new AbortController().signal;

/** Namespaces and Fly in memory, with the namespaces' reconciler between them. */
export function appWorld(clusterUid = "cluster-1") {
  const clock = fakeClock();
  const world = memoryWorld({ clock });
  const namespaces = memoryNamespaces(() => clusterUid);
  for (const name of ["kube-system", "default"]) namespaces.make(name);
  const told: ObjectEvent[] = [];
  const { apps, machines, addresses, volumes } = world;
  const policies = new Map<string, string>();
  const deps = {
    apps,
    machines,
    addresses,
    volumes,
    reclaimPolicies: async () => policies,
    namespaces,
    clusterUid,
    clock,
    log: memoryLog(),
    events: {
      async tell(_about: object, event: ObjectEvent) {
        told.push(event);
      },
    },
  };

  return {
    ...deps,
    world,
    told,
    /** By id of a volume what its PersistentVolume says. */
    policies,
    reconcile: (name: string) => namespaceReconciler(deps)(name, forever),
    ensure: (name: string) => namespaceApps(deps).ensure(name, forever),
    appNames: async () => (await apps.list(forever)).map(({ name }) => name),
    /** A Machine as a Pod of that namespace has one; "" for one that a person made. */
    machine(app: string, namespace = "", cluster = clusterUid): Promise<Machine> {
      const stamps = {
        fks_cluster: cluster,
        fks_namespace: namespace,
        fks_pod: "web",
        fks_pod_uid: "u",
      };
      const metadata = namespace === "" ? {} : stamps;
      const name = `m${world.all().length}`;
      const request = { name, region: "local-a", config: { image: "x", metadata } };
      return machines.create(app, request, forever);
    },
  };
}
