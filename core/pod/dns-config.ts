import { CLUSTER_DOMAIN } from "../dns/zone.ts";
import type { DnsConfig } from "../fly/machine.ts";
import type { Pod } from "../kube/pod.ts";
import type { Findings } from "./fields/check.ts";

/** The cluster's name servers and its domain, `cluster.local`. */
export interface ClusterDns {
  readonly nameservers: readonly string[];
  readonly domain: string;
}

type DnsOption = NonNullable<DnsConfig["options"]>[number];

const LABEL_MAX = 63;
/** What the kernel takes; source: uname(2). */
const HOSTNAME_MAX = 64;
/** As many as a kubelet writes; source: kubernetes/pkg/apis/core/validation. */
const NAMESERVERS_MAX = 3;
const SEARCHES_MAX = 32;
const SEARCHES_MAX_LENGTH = 2_048;

/** How the Machine is called and whom it asks for names, as `dnsPolicy` and `dnsConfig` say. */
export function dnsConfigFor(pod: Pod, dns: ClusterDns | undefined): DnsConfig {
  const { nameservers, searches, options } = wantedBy(pod, dns);
  const fqdn = fqdnFor(pod, dns);
  const isFull = pod.spec.setHostnameAsFQDN === true && fqdn !== undefined;
  return {
    hostname: isFull ? fqdn : hostnameFor(pod),
    ...(fqdn === undefined ? {} : { hostname_fqdn: fqdn }),
    ...(nameservers.length === 0 ? {} : { nameservers: nameservers.slice(0, NAMESERVERS_MAX) }),
    ...(searches.length === 0 ? {} : { searches: fitting(searches) }),
    ...(options.length === 0 ? {} : { options }),
  };
}

/** What of it cannot be had as the Pod says it. */
export function dnsFindings(pod: Pod, dns: ClusterDns | undefined): Findings {
  const { nameservers, searches } = wantedBy(pod, dns);
  const fqdn = fqdnFor(pod, dns) ?? "";
  const isTooLong = pod.spec.setHostnameAsFQDN === true && fqdn.length > HOSTNAME_MAX;
  return {
    refused: isTooLong
      ? [
          {
            field: "spec.setHostnameAsFQDN",
            sentence: `${fqdn} has ${fqdn.length} characters; a host name has ${HOSTNAME_MAX} at most.`,
          },
        ]
      : [],
    approximated: [
      ...cut("nameservers", nameservers, nameservers.slice(0, NAMESERVERS_MAX)),
      ...cut("searches", searches, fitting(searches)),
    ],
  };
}

function cut(
  field: string,
  wanted: readonly string[],
  applied: readonly string[],
): Findings["approximated"] {
  const sentence = `There are too many; these are used: ${applied.join(" ")}.`;
  return applied.length === wanted.length ? [] : [{ field: `spec.dnsConfig.${field}`, sentence }];
}

/** The cluster's and the Pod's own together, each once; of options the Pod's win. */
function wantedBy({ metadata, spec }: Pod, dns: ClusterDns | undefined) {
  const { dnsPolicy = "ClusterFirst", dnsConfig = {} } = spec;
  const cluster = dnsPolicy.startsWith("ClusterFirst") ? dns : undefined;
  const domains =
    cluster === undefined
      ? []
      : [`${metadata.namespace}.svc.${cluster.domain}`, `svc.${cluster.domain}`, cluster.domain];
  const options: readonly DnsOption[] = [
    ...(cluster === undefined ? [] : [{ name: "ndots", value: "5" }]),
    ...(dnsConfig.options ?? []),
  ];
  return {
    nameservers: unique([...(cluster?.nameservers ?? []), ...(dnsConfig.nameservers ?? [])]),
    searches: unique([...domains, ...(dnsConfig.searches ?? [])]),
    options: [...new Map(options.map((option) => [option.name, option])).values()],
  };
}

/** As many domains as a resolver reads from one line. */
function fitting(searches: readonly string[]): readonly string[] {
  let length = -1;
  return searches.slice(0, SEARCHES_MAX).filter((search) => {
    length += search.length + 1;
    return length <= SEARCHES_MAX_LENGTH;
  });
}

/** `hostname.subdomain.namespace.svc.cluster.local`, for Pods that have a subdomain. */
function fqdnFor(pod: Pod, dns: ClusterDns | undefined): string | undefined {
  const { subdomain, hostnameOverride } = pod.spec;
  if (subdomain === undefined || hostnameOverride !== undefined) return undefined;
  const domain = dns?.domain ?? CLUSTER_DOMAIN;
  return `${hostnameFor(pod)}.${subdomain}.${pod.metadata.namespace}.svc.${domain}`;
}

/** The name inside the Machine, cut as a kubelet cuts it. */
function hostnameFor({ metadata, spec }: Pod): string {
  const name = spec.hostnameOverride ?? spec.hostname ?? metadata.name;
  return name.slice(0, LABEL_MAX).replace(/[-.]+$/, "");
}

function unique(items: readonly string[]): readonly string[] {
  return [...new Set(items)];
}
