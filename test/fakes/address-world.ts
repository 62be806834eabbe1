import { namespaceApps } from "#core/app/namespace-apps.ts";
import { networkPlanFor } from "#core/fly/network.ts";
import type { Addresses } from "#core/ports/addresses.ts";
import type { Services } from "#core/ports/services.ts";
import { sweepOnce } from "#core/service-address/address-sweep.ts";
import { appAddresses } from "#core/service-address/app-addresses.ts";
import { handed } from "#core/service-address/handed.ts";
import { serviceAddressReconciler } from "#core/service-address/settle.ts";
import { takeAddress } from "#core/service-address/take.ts";
import { appWorld } from "./app-world.ts";
import { type MemoryAddresses, memoryAddresses } from "./memory-addresses.ts";
import { type MemoryServices, memoryServices } from "./memory-services.ts";

const forever = new AbortController().signal;

interface AddressWorldOptions {
  readonly range?: string;
  readonly givesWanted?: boolean;
  /** Between the role and Fly, or the API server. */
  readonly wrapAddresses?: (inner: Addresses) => Addresses;
  readonly wrapServices?: (inner: Services) => Services;
}

/** Services, the addresses of their Apps, and one life of the role between them after the other. */
export function addressWorld(options: AddressWorldOptions = {}) {
  const { range = networkPlanFor("12345678").serviceRange, givesWanted = true } = options;
  const { wrapAddresses = (inner) => inner, wrapServices = (inner) => inner } = options;
  const world = appWorld();
  const { clock } = world;
  const addresses: MemoryAddresses = memoryAddresses({ hasApp: () => true, range, givesWanted });
  const services: MemoryServices = memoryServices();
  const touched = new Set<string>();

  function life() {
    return {
      ...world,
      namespaceApps: namespaceApps(world),
      withApp: appAddresses(wrapAddresses(addresses), range),
      services: wrapServices(services),
      handed: handed(clock),
      range,
      touch: (key: string): void => void touched.add(key),
    };
  }
  let deps = life();

  return {
    ...world,
    addresses,
    services,
    range,
    /** `kill -9` and a start: what was in memory is gone. */
    restart(): void {
      deps = life();
      for (const { metadata } of services.all()) {
        touched.add(`${metadata.namespace}/${metadata.name}`);
      }
    },
    take: (name: string, wanted?: string) =>
      takeAddress(
        deps,
        { namespace: "default", name, ...(wanted === undefined ? {} : { wanted }) },
        forever,
      ),
    /** The watch tells, and everything that was touched is settled once. */
    async settle(): Promise<void> {
      for (const key of services.catchUp()) {
        const service = services.get(key);
        if (service !== undefined) deps.handed.seen(service);
        touched.add(key);
      }
      const keys = [...touched];
      touched.clear();
      for (const key of keys) await serviceAddressReconciler(deps)(key, forever).catch(() => {});
    },
    sweep: () => sweepOnce(deps, forever),
    held: () => addresses.all().map(({ ip, service_name }) => `${service_name} ${ip}`),
    used: () => services.stored().map(({ metadata, spec }) => `${metadata.name} ${spec.clusterIP}`),
  };
}
