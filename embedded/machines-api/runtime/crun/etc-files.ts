/** The three files every container of a Machine gets. Pure. */
import type { MachineSpec } from "../runtime.ts";

/** `/etc/hosts`: what every Linux has, then the Machine's own lines. */
export function hostsFileFor({ hosts }: MachineSpec): string {
  const lines = [
    ["127.0.0.1", "localhost"],
    ["::1", "localhost", "ip6-localhost", "ip6-loopback"],
    ["fe00::0", "ip6-localnet"],
    ["fe00::0", "ip6-mcastprefix"],
    ["fe00::1", "ip6-allnodes"],
    ["fe00::2", "ip6-allrouters"],
  ].map(([ip = "", ...names]) => `${ip}\t${names.join(" ")}\n`);
  // As the kubelet writes them, names apart by tabs.
  const own = hosts.map(({ ip, hostnames }) => `${[ip, ...hostnames].join("\t")}\n`);
  return [...lines, ...own].join("");
}

export function resolvConfFor({ dns }: MachineSpec): string {
  const lines = [
    ...(dns.searches.length > 0 ? [`search ${dns.searches.join(" ")}`] : []),
    ...dns.nameservers.map((nameserver) => `nameserver ${nameserver}`),
    ...(dns.options.length > 0 ? [`options ${dns.options.join(" ")}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}
