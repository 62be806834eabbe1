import type { Endpoint, EndpointSlice } from "../kube/endpoint-slice.ts";
import type { Protocol, Service, ServicePort } from "../kube/service.ts";
import { addressBytes, addressRecords, sameAddress } from "./address.ts";
import { canonical, type Name } from "./name.ts";
import { type RecordData, TYPE } from "./record.ts";

/** What names need of a Service. */
export interface NamedService {
  readonly metadata: Pick<Service["metadata"], "name" | "namespace">;
  readonly spec: Pick<Service["spec"], "type" | "clusterIP" | "clusterIPs" | "externalName"> & {
    readonly ports: readonly Pick<ServicePort, "name" | "protocol" | "port">[];
  };
}

/** What names need of an EndpointSlice. */
export interface NamedSlice {
  readonly metadata: Pick<EndpointSlice["metadata"], "name" | "namespace">;
  readonly service: string;
  readonly ports: EndpointSlice["ports"];
  readonly endpoints: readonly Pick<Endpoint, "addresses" | "isReady" | "hostname">[];
}

/** A Service with its EndpointSlices, and its name. */
export interface NamedWorld {
  readonly service: NamedService;
  readonly slices: readonly NamedSlice[];
  /** `<service>.<namespace>.svc.<domain>`. */
  readonly home: Name;
}

/** Where an SRV record may lead. */
interface Target {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
  readonly target: Name;
}

interface LabelledEndpoint {
  readonly label: string;
  readonly address: string;
  readonly slice: NamedSlice;
}

/**
 * What stands at a Service's name (no labels) or at these labels in front of it; `undefined` when
 * there is no such name. Pure.
 *
 * A headless Service has a name only while it has ready endpoints, as in CoreDNS.
 * Source: Kubernetes DNS-Based Service Discovery, version 1.1, sections 2.3 to 2.5.
 */
export function serviceRecords(
  world: NamedWorld,
  labels: readonly string[],
  type: number = TYPE.ANY,
): readonly RecordData[] | undefined {
  const { service } = world;
  const [first, second, ...more] = labels;
  if (more.length > 0) return undefined;
  if (service.spec.type === "ExternalName") {
    return first === undefined ? externalRecords(service) : undefined;
  }
  if (first === undefined) return ownRecords(world, type);
  return second === undefined
    ? labelRecords(world, first, type)
    : portRecords(world, first, second);
}

/** The labels by which an address of a Service's endpoints is known. Pure. */
export function labelsFor(slices: readonly NamedSlice[], address: string): readonly string[] {
  const known = endpointsOf(slices).filter((one) => sameAddress(one.address) === address);
  return unique(known.map(({ label }) => label));
}

/** Every address by which a Service can be found, in the spelling of `sameAddress`. Pure. */
export function addressesOf(
  service: NamedService | undefined,
  slices: readonly NamedSlice[],
): ReadonlySet<string> {
  const endpoints = slices.flatMap((slice) => slice.endpoints.flatMap((one) => one.addresses));
  const all = [...(service?.spec.clusterIPs ?? []), ...endpoints];
  return new Set(all.flatMap((address) => sameAddress(address) ?? []));
}

function externalRecords({ spec }: NamedService): readonly RecordData[] | undefined {
  const target = (spec.externalName ?? "").replace(/\.$/, "");
  // A CNAME to an address would lead nowhere.
  if (target === "" || sameAddress(target) !== undefined) return undefined;
  return [{ type: "CNAME", target }];
}

function ownRecords(world: NamedWorld, type: number): readonly RecordData[] | undefined {
  const { service, slices } = world;
  const isWithout = isHeadless(service);
  const endpoints = isWithout ? endpointsOf(slices) : [];
  if (isWithout && endpoints.length === 0) return undefined;
  const addresses = isWithout ? endpoints.map(({ address }) => address) : service.spec.clusterIPs;
  const records = unique(addresses).flatMap(addressRecords);
  return wantsPorts(type) ? [...records, ...srvRecords(targetsOf(world))] : records;
}

/** `<hostname>.web…` or `10-0-0-1.web…`; `_tcp.web…` exists where names stand below it. */
function labelRecords(
  world: NamedWorld,
  label: string,
  type: number,
): readonly RecordData[] | undefined {
  const meant = endpointsOf(world.slices).filter((endpoint) => endpoint.label === label);
  if (meant.length > 0) {
    const addresses = unique(meant.map(({ address }) => address)).flatMap(addressRecords);
    return wantsPorts(type)
      ? [...addresses, ...srvRecords(targetsAt(meant, world.home))]
      : addresses;
  }
  const named = targetsOf(world).filter(({ name }) => name !== "");
  return named.some(({ protocol }) => `_${canonical(protocol)}` === label) ? [] : undefined;
}

/** `_http._tcp.web…`, for ports that have a name. */
function portRecords(world: NamedWorld, port: string, protocol: string) {
  const targets = targetsOf(world).filter(
    (target) =>
      target.name !== "" &&
      `_${canonical(target.name)}` === port &&
      `_${canonical(target.protocol)}` === protocol,
  );
  return targets.length === 0 ? undefined : srvRecords(targets);
}

/** There may be very many, and most questions are about addresses. */
function wantsPorts(type: number): boolean {
  return type === TYPE.SRV || type === TYPE.ANY;
}

function targetsOf({ service, slices, home }: NamedWorld): readonly Target[] {
  if (isHeadless(service)) return targetsAt(endpointsOf(slices), home);
  return service.spec.ports.map(({ name, protocol, port }) => {
    return { name, protocol, port, target: home };
  });
}

function targetsAt(endpoints: readonly LabelledEndpoint[], home: Name): readonly Target[] {
  return endpoints.flatMap(({ label, slice }) =>
    slice.ports.flatMap(({ name, protocol, port }) =>
      port === undefined ? [] : [{ name, protocol, port, target: `${label}.${home}` }],
    ),
  );
}

/** All alike in priority and weight; CoreDNS' numbers. */
function srvRecords(targets: readonly Target[]): readonly RecordData[] {
  const seen = new Map(targets.map((one) => [`${one.port} ${one.target}`, one]));
  const weight = Math.max(1, Math.floor(100 / seen.size));
  return [...seen.values()].map(({ port, target }) => {
    return { type: "SRV", priority: 0, weight, port, target };
  });
}

function endpointsOf(slices: readonly NamedSlice[]): readonly LabelledEndpoint[] {
  return slices.flatMap((slice) =>
    slice.endpoints
      .filter(({ isReady }) => isReady)
      .flatMap(({ addresses, hostname }) =>
        addresses
          .filter((address) => addressBytes(address) !== undefined)
          .map((address) => {
            const label = canonical(hostname ?? "") || dashed(address);
            return { label, address, slice };
          }),
      ),
  );
}

/** An address as a label, as CoreDNS makes it: a label does not end with a dash. */
function dashed(address: string): string {
  const text = address.toLowerCase().replaceAll(/[.:]/g, "-");
  return text.endsWith("-") ? `${text}0` : text;
}

function isHeadless({ spec }: NamedService): boolean {
  return spec.clusterIP === "None";
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}
