import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { FksError } from "#core/errors.ts";
import { ipv4RangeFor, type NetworkPlan } from "#core/fly/network.ts";
import type { Log } from "#core/ports/log.ts";
import { hostCommands, hostLinkCommands, routerCommands } from "./commands.ts";
import { NETNS_DIR, withNetns } from "./netns.ts";
import { acceptRulesFor, droppingChainFor, egressRulesFor, withdrawRulesFor } from "./nft.ts";
import { feedProgram, runProgram, succeeded, tryProgram } from "./run-program.ts";

const IP_FORWARD = "net/ipv4/ip_forward";

/** Says that an instance of ours turned IPv4 forwarding on; the last one to go turns it off. */
const IP_FORWARD_MARK = "/run/fks-ip-forward";

/** What lets the router's namespace forward, also where the host boots without IPv6. */
const ROUTER_SYSCTLS: readonly (readonly [string, string])[] = [
  ["net/ipv6/conf/all/disable_ipv6", "0"],
  ["net/ipv6/conf/default/disable_ipv6", "0"],
  ["net/ipv6/conf/lo/disable_ipv6", "0"],
  ["net/ipv6/conf/all/forwarding", "1"],
  ["net/ipv6/conf/default/forwarding", "1"],
  [IP_FORWARD, "1"],
];

export interface HostNetwork {
  /** Makes what is missing and keeps what is there. Idempotent. */
  ensure(signal: AbortSignal): Promise<void>;
  /** Takes all of it away again, half-made or whole. Machines must be gone. */
  remove(signal: AbortSignal): Promise<void>;
}

interface HostNetworkOptions {
  readonly log: Log;
  /** IPv4 to the internet by masquerade; off leaves the host's rules and sysctls alone. */
  readonly egress: boolean;
}

/** The host's part of the network: router namespace, its link to the host, addresses, egress. */
export function hostNetwork(
  plan: NetworkPlan,
  nodeAddresses: readonly string[],
  { log, egress }: HostNetworkOptions,
): HostNetwork {
  return {
    async ensure(signal) {
      await ensureRouter(plan, signal);
      await ensureLink(plan, signal);
      const { cidr, host } = ipv4RangeFor(plan.id);
      const owner = await ownerOf(cidr, signal);
      const isTaken = owner !== undefined && owner !== plan.hostInterface;
      if (isTaken) log.warn("IPv4 range is another instance's, no egress here", { cidr, owner });
      const commands = hostCommands(plan, nodeAddresses);
      await Promise.all([
        // Its route stays; ours would take its Machines' answers away.
        batch(
          ["ip"],
          isTaken
            ? commands.filter((line) => !line.includes(cidr) && !line.includes(host))
            : commands,
          signal,
        ),
        batch(["ip", "-n", plan.routerNetns], routerCommands(plan, nodeAddresses), signal),
        egress ? ensureEgress(plan, log, signal) : undefined,
      ]);
      log.debug("host network ready", { network: plan.id });
    },

    async remove(signal) {
      await withdrawEgress(plan, signal);
      // What the role proxy keeps on the host for NodePorts.
      await tryProgram(["nft", "delete", "table", "inet", plan.nftTable], signal);
      // Both ends of the link vanish with either; the namespace takes what else is in it along.
      await tryProgram(["ip", "link", "del", plan.hostInterface], signal);
      await tryProgram(["ip", "netns", "del", plan.routerNetns], signal);
    },
  };
}

/** The interface that this range is routed to, if any: ranges of networks may coincide. */
async function ownerOf(cidr: string, signal: AbortSignal): Promise<string | undefined> {
  const routes = await runProgram(["ip", "-4", "route", "show", cidr], signal);
  return / dev (\S+)/.exec(routes)?.[1];
}

/** One `ip` process for many commands. */
function batch(
  ip: readonly string[],
  commands: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  return feedProgram([...ip, "-batch", "-"], `${commands.join("\n")}\n`, signal);
}

async function ensureRouter(plan: NetworkPlan, signal: AbortSignal): Promise<void> {
  // A name that a crash or a reboot left without its namespace cannot be entered: make it anew.
  if (!isNetns(plan.routerNetns)) {
    await tryProgram(["ip", "netns", "del", plan.routerNetns], signal);
    await runProgram(["ip", "netns", "add", plan.routerNetns], signal);
  }
  withNetns(plan.routerNetns, () => {
    for (const [name, value] of ROUTER_SYSCTLS) setSysctl(name, value);
  });
}

function isNetns(name: string): boolean {
  if (!existsSync(`${NETNS_DIR}/${name}`)) return false;
  try {
    return withNetns(name, () => true);
  } catch {
    return false;
  }
}

async function ensureLink(plan: NetworkPlan, signal: AbortSignal): Promise<void> {
  const isComplete =
    hasInterface(plan.hostInterface) &&
    withNetns(plan.routerNetns, () => hasInterface(plan.routerInterface));
  if (!isComplete) {
    await tryProgram(["ip", "link", "del", plan.hostInterface], signal);
    await batch(["ip"], hostLinkCommands(plan), signal);
  }
  setSysctl(`net/ipv6/conf/${plan.hostInterface}/disable_ipv6`, "0");
  withNetns(plan.routerNetns, () => {
    setSysctl(`net/ipv6/conf/${plan.routerInterface}/disable_ipv6`, "0");
  });
}

/** Of the namespace this thread is in. Throws FksError `Unsupported` where the kernel has no such. */
function setSysctl(name: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${name}`, value);
  } catch (error) {
    throw new FksError("Unsupported", `cannot set ${name.replaceAll("/", ".")} on this host`, {
      cause: error,
    });
  }
}

/** Reads `/proc/net`, which follows the thread; `/sys/class/net` follows the mount. */
function hasInterface(name: string): boolean {
  return readFileSync("/proc/thread-self/net/dev", "utf8").includes(` ${name}:`);
}

async function ensureEgress(plan: NetworkPlan, log: Log, signal: AbortSignal): Promise<void> {
  await feedProgram(["nft", "-f", "-"], egressRulesFor(plan), signal);
  const chain = droppingChainFor(plan, await filterTable(signal));
  if (chain !== undefined) {
    await feedProgram(["nft", "-f", "-"], acceptRulesFor(plan, chain), signal);
    log.info("accept rules added where the host drops what it forwards", { chain });
  }
  if (readFileSync(`/proc/sys/${IP_FORWARD}`, "utf8").trim() === "0") {
    writeFileSync(IP_FORWARD_MARK, "");
    setSysctl(IP_FORWARD, "1");
    log.info("IPv4 forwarding turned on", { for: plan.hostInterface });
  }
}

async function withdrawEgress(plan: NetworkPlan, signal: AbortSignal): Promise<void> {
  await tryProgram(["nft", "delete", "table", "ip", plan.nftTable], signal);
  const rules = withdrawRulesFor(plan, await filterTable(signal));
  if (rules !== "") await succeeded(feedProgram(["nft", "-f", "-"], rules, signal));

  const others = readdirSync("/sys/class/net").filter(
    (name) => /^fks[0-9a-f]{8}$/.test(name) && name !== plan.hostInterface,
  );
  if (others.length > 0 || !existsSync(IP_FORWARD_MARK)) return;
  setSysctl(IP_FORWARD, "0");
  rmSync(IP_FORWARD_MARK, { force: true });
}

/** Docker and its like keep their rules here; a host without them has no such table. */
async function filterTable(signal: AbortSignal): Promise<string> {
  try {
    return await runProgram(["nft", "-a", "list", "table", "ip", "filter"], signal);
  } catch {
    signal.throwIfAborted();
    return "";
  }
}
