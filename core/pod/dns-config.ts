import type { DnsConfig } from "../fly/machine.ts";
import type { Pod } from "../kube/pod.ts";

/** The cluster's name servers and its domain, `cluster.local`. */
export interface ClusterDns {
  readonly nameservers: readonly string[];
  readonly domain: string;
}

const HOSTNAME_MAX = 63;
const DEFAULT_DOMAIN = "cluster.local";

/** How the Machine is called and whom it asks for names, as `dnsPolicy` and `dnsConfig` say. */
export function dnsConfigFor(pod: Pod, dns: ClusterDns | undefined): DnsConfig {
  const { dnsPolicy = "ClusterFirst", dnsConfig = {}, subdomain } = pod.spec;
  const hostname = hostnameFor(pod);
  const zone = `${pod.metadata.namespace}.svc.${dns?.domain ?? DEFAULT_DOMAIN}`;
  const cluster = dns !== undefined && dnsPolicy.startsWith("ClusterFirst") ? dns : undefined;
  const nameservers = [...(cluster?.nameservers ?? []), ...(dnsConfig.nameservers ?? [])];
  const searches = [...searchesFor(pod, cluster), ...(dnsConfig.searches ?? [])];
  const options = [
    ...(cluster === undefined ? [] : [{ name: "ndots", value: "5" }]),
    ...(dnsConfig.options ?? []),
  ];
  return {
    hostname,
    ...(subdomain === undefined ? {} : { hostname_fqdn: `${hostname}.${subdomain}.${zone}` }),
    ...(nameservers.length === 0 ? {} : { nameservers }),
    ...(searches.length === 0 ? {} : { searches }),
    ...(options.length === 0 ? {} : { options }),
  };
}

/** The name inside the Machine, cut to what a kernel takes. */
function hostnameFor(pod: Pod): string {
  const name = pod.spec.hostname ?? pod.metadata.name;
  return name.slice(0, HOSTNAME_MAX).replace(/[-.]+$/, "");
}

function searchesFor(pod: Pod, cluster: ClusterDns | undefined): readonly string[] {
  if (cluster === undefined) return [];
  const { domain } = cluster;
  return [`${pod.metadata.namespace}.svc.${domain}`, `svc.${domain}`, domain];
}
