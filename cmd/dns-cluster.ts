import { endpointSliceFrom } from "#adapters/kubernetes/endpoint-slice-codec.ts";
import { namespaceFrom } from "#adapters/kubernetes/namespace-codec.ts";
import type { Rule } from "#adapters/kubernetes/rights.ts";
import { serviceFrom } from "#adapters/kubernetes/service-codec.ts";
import { type Watched, watched } from "#adapters/kubernetes/watched.ts";
import { aborted } from "#core/aborted.ts";
import { APP_LABEL } from "#core/app/app-name.ts";
import type { ClusterNames } from "#core/dns/cluster-names.ts";
import { lean } from "#core/dns/lean.ts";
import { FksError } from "#core/errors.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Role } from "./role.ts";
import { roleAccess } from "./role-access.ts";
import { together } from "./together.ts";

/** The user name in the certificate of this role. */
const USER = "fks-node-dns";
const LOOK_MS = 50;
const READS = ["get", "list", "watch"];
const RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["services", "namespaces"], verbs: READS },
  { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: READS },
];

/** Keeps the names of Services in step with the API server. */
export interface ClusterNamesKeeper {
  /** Every Service there was has been told of; it never turns false again. */
  readonly isSynced: () => boolean;
  /** For people: what it waits for; `undefined` when it is in step. */
  waitsFor(): string | undefined;
  /** Until `signal` aborts; while the API server is away names stay as they were seen last. */
  run(signal: AbortSignal): Promise<void>;
}

export function clusterNamesKeeper(role: Role, names: ClusterNames): ClusterNamesKeeper {
  let waiting: string | undefined = "waiting for the API server";
  let lists: readonly Watched<unknown>[] = [];
  const isSynced = (): boolean => lists.length > 0 && lists.every((list) => list.isSynced());

  return {
    isSynced,
    waitsFor: () => waiting ?? (isSynced() ? undefined : "waiting for the list of Services"),
    async run(signal) {
      try {
        const tell = (reason: string): void => {
          waiting = reason;
        };
        const access = await roleAccess(
          role,
          { user: USER, rules: RULES },
          { waiting: tell },
          signal,
        );
        waiting = undefined;
        const { client } = access;
        const watches = watchedNames({ client, clock: role.clock, log: role.log }, names);
        lists = watches;
        await together(
          [
            (running) => access.run(running),
            ...watches.map((list) => (running: AbortSignal) => list.run(running)),
            (running) => collected(isSynced, role.clock, running),
          ],
          signal,
        );
      } catch (error) {
        if (!FksError.is(error, "Conflict")) throw error;
        // Somebody else's cluster: its names are not ours to tell, and only a person can help.
        role.log.error("no names of Services until a person looks", { err: error });
        waiting = error.message;
        await aborted(signal);
      }
    },
  };
}

/** Gives back what reading the lists has left behind, which is more than what is kept of them. */
async function collected(
  isSynced: () => boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && !isSynced()) await sleep(clock, LOOK_MS, signal).catch(() => {});
  Bun.gc(true);
}

/** The three lists that names are made of; each change is told to `names`. */
export function watchedNames(
  from: Pick<Parameters<typeof watched>[0], "client" | "clock" | "log">,
  names: ClusterNames,
): readonly Watched<unknown>[] {
  // There may be very many of them.
  const make = lean();
  const services = watched({
    ...from,
    path: "/api/v1/services",
    decode: (value) => make.service(serviceFrom(value)),
  });
  const slices = watched({
    ...from,
    path: "/apis/discovery.k8s.io/v1/endpointslices",
    decode: (value) => make.slice(endpointSliceFrom(value)),
  });
  const namespaces = watched({ ...from, path: "/api/v1/namespaces", decode: namespaceFrom });

  services.onChange((key) => names.service(key, services.get(key)));
  slices.onChange((key) => names.slice(key, slices.get(key)));
  namespaces.onChange((key) => {
    const namespace = namespaces.get(key);
    names.namespace(key, namespace && { app: namespace.metadata.labels[APP_LABEL] });
  });
  return [services, slices, namespaces];
}
