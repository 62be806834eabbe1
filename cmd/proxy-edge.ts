import type { Rule } from "#adapters/kubernetes/rights.ts";
import { edgeKeeper } from "#core/edge/edge-keeper.ts";
import type { Endpoint } from "#core/edge/proxy-protocol.ts";
import { machineIpv4Of } from "#core/fly/network.ts";
import type { Service } from "#core/kube/service.ts";
import type { EdgeListeners, LoadBalancerStatuses } from "#core/ports/edge.ts";
import type { ObjectEvents } from "#core/ports/object-events.ts";
import type { RoutingTable } from "#core/service/routing-table.ts";
import type { Role } from "./role.ts";

/** What the proxy role needs to say of Services that it publishes. */
export const EDGE_RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["services/status"], verbs: ["patch"] },
  { apiGroups: [""], resources: ["events"], verbs: ["create"] },
];

interface EdgeDeps {
  readonly services: {
    all(): readonly Service[];
    isSynced(): boolean;
    onChange(listener: () => void): void;
  };
  readonly listeners: EdgeListeners & { close(): Promise<void> };
  readonly statuses: LoadBalancerStatuses;
  readonly events: ObjectEvents;
}

interface EdgePart {
  /** Publishes until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Services of type LoadBalancer at addresses of this host. */
export function edgePart({ config, clock, log }: Role, deps: EdgeDeps): EdgePart {
  const { services, listeners, ...others } = deps;
  const keeper = edgeKeeper({
    services: () => services.all(),
    isSynced: () => services.isSynced(),
    addresses: config.edgeAddresses,
    listeners,
    ...others,
    clock,
    log,
  });
  services.onChange(() => keeper.touch());
  return {
    async run(signal: AbortSignal): Promise<void> {
      try {
        await keeper.run(signal);
      } finally {
        await listeners.close();
      }
    },
  };
}

/**
 * The ways to each endpoint of a Service's port: its own address and then, for programs that know
 * nothing else, its Machine's private IPv4.
 */
export function waysTo(table: RoutingTable, networkId: string) {
  return (service: string, portName: string): readonly (readonly Endpoint[])[] => {
    const route = table.routesOf(service).find((one) => one.portName === portName);
    return (route?.targets ?? []).map(({ address, port }) => {
      const ipv4 = machineIpv4Of(networkId, address);
      return [{ address, port }, ...(ipv4 === undefined ? [] : [{ address: ipv4, port }])];
    });
  };
}
