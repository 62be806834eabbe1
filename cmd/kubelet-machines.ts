import { machineProtocol } from "#adapters/machine-protocol/protocol.ts";
import { messageOf } from "#core/errors.ts";
import type { Apps } from "#core/ports/apps.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import type { Machines } from "#core/ports/machines.ts";
import type { KubeletMetrics } from "./kubelet-metrics.ts";
import { machinesAccess } from "./machines-access.ts";
import type { Role } from "./role.ts";
import { readToken } from "./tokens.ts";

/** Both ways to Machines: the public API, and the Machine protocol where it is served. */
export interface KubeletMachines {
  readonly machines: Machines;
  readonly apps: Apps;
  readonly protocol?: MachineProtocol;
}

/** Told whether the Machines API answers. */
export interface Reachability {
  reached(): void;
  lost(message: string): void;
}

/** Both ways to Machines, counted and watched. Throws as `machinesAccess` does. */
export async function kubeletMachines(
  role: Role,
  metrics: KubeletMetrics,
  reachability: Reachability,
): Promise<KubeletMachines> {
  const { config, paths, clock } = role;
  const access = await machinesAccess(role, (budget) => metrics.budget(budget));
  const { baseUrl, apps } = access;
  const machines = metrics.machines(access.machines);
  if (config.machines === "fly") return { machines, apps: watchedApps(apps, reachability) };

  const token = await readToken(paths.machineProtocolToken);
  const protocol = machineProtocol({ baseUrl, token, clock });
  return { machines, apps, protocol: watchedProtocol(protocol, reachability) };
}

/** The same protocol; the change stream, pings included, tells whether the other side is there. */
function watchedProtocol(inner: MachineProtocol, reachability: Reachability): MachineProtocol {
  return {
    ...inner,
    async *watch(signal) {
      try {
        for await (const change of inner.watch(signal)) {
          yield change;
          // Told after it was taken in: then `synced` has made the view complete.
          reachability.reached();
        }
      } catch (error) {
        reachability.lost(sentenceOf(error));
        throw error;
      }
    },
  };
}

/** The same Apps; where there is no change stream their list is asked for every ten seconds. */
function watchedApps(inner: Apps, reachability: Reachability): Apps {
  return {
    ...inner,
    async list(signal) {
      try {
        const apps = await inner.list(signal);
        reachability.reached();
        return apps;
      } catch (error) {
        reachability.lost(sentenceOf(error));
        throw error;
      }
    },
  };
}

function sentenceOf(error: unknown): string {
  return `the Machines API cannot be reached: ${messageOf(error)}`;
}
