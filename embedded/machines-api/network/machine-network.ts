import { closeSync, openSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import type { NetworkPlan } from "#core/fly/network.ts";
import {
  type MachineLink,
  machineCommands,
  machineInterfaceFor,
  machineNetnsFor,
  machineRouteCommands,
} from "./commands.ts";
import { NETNS_DIR } from "./netns.ts";
import { feedProgram, tryProgram } from "./run-program.ts";

/**
 * Runs inside the new namespaces, with `ip -batch` on its input. Every container of the Machine may
 * open low ports and ping, as Kubernetes' runtimes allow.
 */
const SETUP_SCRIPT = `
  printf %s "$1" > /proc/sys/kernel/hostname
  for conf in all default lo; do echo 0 > /proc/sys/net/ipv6/conf/$conf/disable_ipv6; done
  echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
  echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range
  exec ip -batch -`;

export interface MachineNetwork {
  /** Makes the Machine's namespaces and its link; one that is whole already is a success. */
  attach(machine: MachineLink & { readonly hostname: string }, signal: AbortSignal): Promise<void>;
  /** Takes away whatever there is of it. */
  detach(machineId: string, signal: AbortSignal): Promise<void>;
  /** The namespaces that all containers of the Machine share. */
  namespaces(machineId: string): MachineNamespaces;
}

/** Paths of pinned namespaces: they live without any process. */
export interface MachineNamespaces {
  readonly network: string;
  readonly uts: string;
  readonly ipc: string;
}

/** One network namespace per Machine, linked to the router's, with UTS and IPC pinned beside it. */
export function machineNetwork(plan: NetworkPlan): MachineNetwork {
  const folder = (machineId: string): string => `${plan.runDir}/ns/${machineId}`;
  const namespaces = (machineId: string): MachineNamespaces => ({
    network: `${NETNS_DIR}/${machineNetnsFor(plan, machineId)}`,
    uts: `${folder(machineId)}/uts`,
    ipc: `${folder(machineId)}/ipc`,
  });
  /** Written last, on a tmpfs: a crash or a reboot before makes the next attach begin anew. */
  const doneMark = (machineId: string): string => `${folder(machineId)}/attached`;

  async function detach(machineId: string, signal: AbortSignal): Promise<void> {
    const { uts, ipc } = namespaces(machineId);
    rmSync(doneMark(machineId), { force: true });
    await Promise.all([
      tryProgram(["umount", "-l", uts, ipc], signal),
      // The namespace dies with its last process; its link must not wait for that.
      tryProgram(
        ["ip", "-n", plan.routerNetns, "link", "del", machineInterfaceFor(machineId)],
        signal,
      ),
      tryProgram(["ip", "netns", "del", machineNetnsFor(plan, machineId)], signal),
    ]);
    rmSync(folder(machineId), { recursive: true, force: true });
  }

  return {
    namespaces,
    detach,

    async attach(machine, signal) {
      const { machineId, hostname } = machine;
      if (await Bun.file(doneMark(machineId)).exists()) return;
      const { network, uts, ipc } = namespaces(machineId);
      if (await Bun.file(network).exists()) await detach(machineId, signal);

      await mkdir(folder(machineId), { recursive: true });
      for (const pin of [network, uts, ipc]) closeSync(openSync(pin, "a"));
      const unshare = ["unshare", `--net=${network}`, `--uts=${uts}`, `--ipc=${ipc}`];
      await feedProgram(
        [...unshare, "sh", "-ec", SETUP_SCRIPT, "sh", hostname],
        `${machineCommands(plan, machine).join("\n")}\n`,
        signal,
      );
      await feedProgram(
        ["ip", "-n", plan.routerNetns, "-batch", "-"],
        `${machineRouteCommands(plan, machine).join("\n")}\n`,
        signal,
      );
      writeFileSync(doneMark(machineId), "");
    },
  };
}
