import { addressInReverse, addressRecords, sameAddress } from "./address.ts";
import { isWithin, type Name } from "./name.ts";
import type { RecordData } from "./record.ts";
import { type IndexedService, type ServiceIndex, serviceIndex } from "./service-index.ts";
import { labelsFor, serviceRecords } from "./service-records.ts";
import type { Basis, Found, Zone } from "./zone.ts";

/**
 * The names of Services, in a cluster's domain and in Fly's `.flycast`. Records are made when
 * somebody asks for them.
 */
export interface ClusterNames extends Zone, Pick<ServiceIndex, "service" | "slice"> {
  /** A namespace and the App that its label names; `undefined`: there is no such namespace. */
  namespace(name: string, is: { readonly app?: string | undefined } | undefined): void;
}

interface ClusterNamesOptions {
  /** `cluster.local`. */
  readonly domain: Name;
  /** The address of whoever answers for it. */
  readonly resolver: string;
  /** Is a Pod of this namespace at this address, in the spelling of `sameAddress`? */
  readonly hasPod: (address: string, namespace: string) => boolean;
}

const FLYCAST = "flycast";
/** Source: Kubernetes DNS-Based Service Discovery, version 1.1, section 2.2. */
const SCHEMA_VERSION = "1.1.0";

export function clusterNames({ domain, resolver, hasPod }: ClusterNamesOptions): ClusterNames {
  /** Which Services, namespaces and Apps there are. */
  const presence: Basis = { version: 0 };
  /** All of it together, for names that depend on more than one thing. */
  const everything: Basis = { version: 0 };
  const services = serviceIndex({ presence, everything });
  const apps = namespaceApps();
  const nowhere: Found = { records: undefined, basis: presence };
  const above: Found = { records: [], basis: presence };

  function inCluster(name: Name, type: number | undefined): Found {
    if (name === domain) {
      return { records: [{ type: "NS", target: `ns.dns.${domain}` }], basis: presence };
    }
    const labels = name.slice(0, -domain.length - 1).split(".");
    const kind = labels.pop();
    if (kind === "dns-version" && labels.length === 0) {
      return { records: [{ type: "TXT", texts: [SCHEMA_VERSION] }], basis: presence };
    }
    if (kind === "dns") return { records: nameServer(labels), basis: presence };
    if (kind !== "svc" && kind !== "pod") return nowhere;
    const namespace = labels.pop();
    const label = labels.pop();
    if (namespace === undefined) return above;
    if (label === undefined) return apps.has(namespace) ? above : nowhere;
    if (kind === "svc") return ofService(`${namespace}/${label}`, labels, type);
    return { records: labels.length === 0 ? podRecords(label, namespace) : undefined };
  }

  function nameServer(labels: readonly string[]): readonly RecordData[] | undefined {
    if (labels.length === 0) return [];
    return labels.length === 1 && labels[0] === "ns" ? addressRecords(resolver) : undefined;
  }

  /** A Pod's name is its address with dashes. Source: the specification before version 1.1. */
  function podRecords(label: string, namespace: string): readonly RecordData[] | undefined {
    const isIpv4 = /^\d+-\d+-\d+-\d+$/.test(label);
    const address = sameAddress(label.replaceAll("-", isIpv4 ? "." : ":"));
    if (address === undefined || !hasPod(address, namespace)) return undefined;
    return addressRecords(address);
  }

  function ofService(key: string, labels: readonly string[], type: number | undefined): Found {
    const found = services.get(key);
    if (found === undefined) return nowhere;
    const { service, slices, basis } = found;
    const world = { service, slices, home: homeOf(found) };
    return { records: serviceRecords(world, labels, type), basis };
  }

  function homeOf({ service: { metadata } }: IndexedService): Name {
    return `${metadata.name}.${metadata.namespace}.svc.${domain}`;
  }

  /** `<service>.svc.<app>.flycast`: the Service's own addresses. */
  function inFlycast(name: Name): Found {
    if (name === FLYCAST) return above;
    const labels = name.slice(0, -FLYCAST.length - 1).split(".");
    const [app = "", svc = "svc", service, ...more] = labels.toReversed();
    const namespace = apps.namespaceOf(app);
    if (namespace === undefined || svc !== "svc" || more.length > 0) return nowhere;
    if (service === undefined) return above;
    const found = services.get(`${namespace}/${service}`);
    if (found === undefined) return nowhere;
    const records = found.service.spec.clusterIPs.flatMap(addressRecords);
    return { records: records.length === 0 ? undefined : records, basis: everything };
  }

  /** A Service with this address; else its endpoints with it, by the names they have there. */
  function reverse(name: Name): Found {
    const address = addressInReverse(name);
    const found = address === undefined ? [] : services.at(address);
    const own = found.find(({ service: { spec } }) =>
      spec.clusterIPs.some((ip) => sameAddress(ip) === address),
    );
    const targets = own
      ? [homeOf(own)]
      : found.flatMap((one) =>
          labelsFor(one.slices, address ?? "").map((label) => `${label}.${homeOf(one)}`),
        );
    if (targets.length === 0) return { records: undefined };
    const records = targets.map((target): RecordData => ({ type: "PTR", target }));
    return { records, basis: everything };
  }

  return {
    find(name, type) {
      if (isWithin(name, domain)) return inCluster(name, type);
      return isWithin(name, FLYCAST) ? inFlycast(name) : reverse(name);
    },
    service: (key, service) => services.service(key, service),
    slice: (key, slice) => services.slice(key, slice),
    namespace(name, is) {
      apps.set(name, is);
      presence.version += 1;
      everything.version += 1;
    },
  };
}

/** Which namespaces there are, and whose an App is. */
function namespaceApps() {
  const appOf = new Map<string, string | undefined>();
  const namespaceOf = new Map<string, string>();

  return {
    has: (namespace: string): boolean => appOf.has(namespace),
    namespaceOf: (app: string): string | undefined => namespaceOf.get(app),
    set(namespace: string, is: { readonly app?: string | undefined } | undefined): void {
      const before = appOf.get(namespace);
      if (before !== undefined && namespaceOf.get(before) === namespace) {
        namespaceOf.delete(before);
      }
      if (is === undefined) appOf.delete(namespace);
      else appOf.set(namespace, is.app);
      if (is?.app !== undefined) namespaceOf.set(is.app, namespace);
    },
  };
}
