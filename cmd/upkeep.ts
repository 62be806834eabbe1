import { join } from "node:path";
import { rotateLog } from "#adapters/process/log-file.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { Supervisor } from "#core/supervisor/supervisor.ts";
import type { ControlPlane } from "#embedded/control-plane/engine.ts";
import { writeAdminKubeconfig } from "./control-plane.ts";
import type { Instance } from "./instance.ts";
import type { DataPaths } from "./paths.ts";

const EVERY_MS = 600_000;
/** Our own log lies beside the children's. */
const SERVE = { name: "serve" };

interface UpkeepOptions {
  readonly paths: DataPaths;
  readonly instance: Pick<Instance, "cluster" | "log"> & {
    readonly controlPlane: Pick<ControlPlane, "admin" | "server" | "upkeep">;
  };
  readonly children: Pick<Supervisor, "report" | "restart">;
  readonly clock: Clock;
}

/** Does every ten minutes what `tend` does, until `signal` aborts. */
export async function keepUp(options: UpkeepOptions, signal: AbortSignal): Promise<void> {
  for (;;) {
    await sleep(options.clock, EVERY_MS, signal).catch(() => {});
    if (signal.aborted) return;
    await tend(options);
  }
}

/**
 * Certificates are renewed long before they end, and logs cut before they fill the disk. What goes
 * wrong is logged: a folder that cannot be tidied is no reason to end.
 */
export async function tend({
  paths,
  instance,
  children,
}: Omit<UpkeepOptions, "clock">): Promise<void> {
  const { cluster, controlPlane, log } = instance;
  try {
    for (const { name } of [SERVE, ...children.report()]) {
      rotateLog(join(paths.logs, `${name}.log`));
    }
    const { renewed, restart } = await controlPlane.upkeep();
    if (restart !== undefined) children.restart(restart.child, restart.reason);
    if (!renewed) return;
    await writeAdminKubeconfig(paths, cluster, controlPlane);
    log.info("certificates renewed");
  } catch (err) {
    log.error("upkeep failed", { err });
  }
}
