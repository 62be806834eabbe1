/**
 * What `ip -batch` is told. Pure; the two networks execute it.
 *
 * Routed, no bridge: each Machine hangs on its own veth of the router's namespace, whose end has
 * `fe80::1` and the router's IPv4, and is reached by a host route. No DAD, no address generation,
 * so that an address works at once; MACs follow from addresses.
 */
import { ipv4RangeFor, type NetworkPlan } from "#core/fly/network.ts";
import { macFor } from "./mac.ts";

/** Fly's own. */
const MTU = 1420;

/** The namespaces' own name for a Machine's only interface. */
const MACHINE_INTERFACE = "eth0";

export interface MachineLink {
  readonly machineId: string;
  /** Without prefix lengths. */
  readonly ipv6: string;
  readonly ipv4: string;
}

/** The Machine's network namespace. */
export function machineNetnsFor(plan: NetworkPlan, machineId: string): string {
  return `${plan.routerNetns}-${machineId}`;
}

/** The router's end of a Machine's link; at most fifteen characters. */
export function machineInterfaceFor(machineId: string): string {
  return `m${machineId.slice(-14)}`;
}

/** Makes the link between host and router; run in the host's namespace, once. */
export function hostLinkCommands(plan: NetworkPlan): readonly string[] {
  const host = `${plan.hostInterface} address ${macFor(plan.hostLink)} mtu ${MTU}`;
  const router = `${plan.routerInterface} address ${macFor(plan.routerLink)} mtu ${MTU}`;
  return [
    `link add ${host} type veth peer name ${router} netns ${plan.routerNetns}`,
    `link set ${plan.hostInterface} addrgenmode none`,
  ];
}

/** The host's addresses and routes; may run again and again. */
export function hostCommands(
  plan: NetworkPlan,
  nodeAddresses: readonly string[],
): readonly string[] {
  const device = plan.hostInterface;
  const addresses = [plan.hostLink, plan.apiServer, ...nodeAddresses];
  const { cidr, host } = ipv4RangeFor(plan.id);
  return [
    `link set ${device} up`,
    ...addresses.map((address) => `addr replace ${address}/128 dev ${device} nodad`),
    `route replace ${plan.routerLink}/128 dev ${device}`,
    neighbour(plan.routerLink, device),
    `route replace ${plan.prefix} via ${plan.routerLink} dev ${device} src ${plan.hostLink}`,
    `addr replace ${host}/32 dev ${device}`,
    // A host without any IPv4 of its own has one to speak with, too.
    `route replace ${cidr} via inet6 ${plan.routerLink} dev ${device} src ${host}`,
  ];
}

/**
 * The router's addresses and routes; may run again and again. What no Machine and no host address
 * answers for is unreachable at once, IPv6 beyond this network included: egress is IPv4.
 */
export function routerCommands(
  plan: NetworkPlan,
  nodeAddresses: readonly string[],
): readonly string[] {
  const device = plan.routerInterface;
  const { cidr, router, host } = ipv4RangeFor(plan.id);
  const viaHost = `via ${plan.hostLink} dev ${device}`;
  return [
    "link set lo up",
    `addr replace ${plan.resolver}/128 dev lo nodad`,
    `addr replace ${router}/32 dev lo`,
    `link set ${device} addrgenmode none up`,
    `addr replace ${plan.routerLink}/128 dev ${device} nodad`,
    `route replace ${plan.hostLink}/128 dev ${device}`,
    neighbour(plan.hostLink, device),
    ...[plan.apiServer, ...nodeAddresses].map((to) => `route replace ${to}/128 ${viaHost}`),
    "route replace unreachable ::/0 metric 4096",
    `route replace 0.0.0.0/0 via inet6 ${plan.hostLink} dev ${device}`,
    `route replace unreachable ${cidr}`,
    `route replace ${host}/32 via inet6 ${plan.hostLink} dev ${device}`,
  ];
}

/**
 * Known for good: the link has no addresses of its own kind, and without one nobody can ask for a
 * neighbour on behalf of a packet that is only passed on.
 */
function neighbour(address: string, device: string): string {
  return `neigh replace ${address} lladdr ${macFor(address)} dev ${device} nud permanent`;
}

/** Run inside the Machine's new namespace: its link to the router, addresses and default routes. */
export function machineCommands(plan: NetworkPlan, link: MachineLink): readonly string[] {
  const { router } = ipv4RangeFor(plan.id);
  const device = MACHINE_INTERFACE;
  const machine = `${device} address ${macFor(link.ipv6)} mtu ${MTU}`;
  const peer = `${machineInterfaceFor(link.machineId)} mtu ${MTU}`;
  return [
    "link set lo up",
    `link add ${machine} type veth peer name ${peer} netns ${plan.routerNetns}`,
    `link set ${device} addrgenmode none up`,
    `addr add ${link.ipv6}/128 dev ${device} nodad`,
    `addr add ${link.ipv4}/32 dev ${device}`,
    `route add ::/0 via fe80::1 dev ${device}`,
    `route add ${router}/32 dev ${device} src ${link.ipv4}`,
    `route add 0.0.0.0/0 via ${router} dev ${device} src ${link.ipv4}`,
  ];
}

/** Run in the router's namespace: its end of the Machine's link and the routes to the Machine. */
export function machineRouteCommands(plan: NetworkPlan, link: MachineLink): readonly string[] {
  const device = machineInterfaceFor(link.machineId);
  const { router } = ipv4RangeFor(plan.id);
  return [
    `link set ${device} addrgenmode none up`,
    `addr add fe80::1/64 dev ${device} nodad`,
    `route replace ${link.ipv6}/128 dev ${device}`,
    `route replace ${link.ipv4}/32 dev ${device} src ${router}`,
  ];
}
