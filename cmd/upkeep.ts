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

/** Certificates are renewed long before they end, and logs cut before they fill the disk. */
export async function keepUp(
  { paths, instance, children, clock }: UpkeepOptions,
  signal: AbortSignal,
): Promise<void> {
  const { cluster, controlPlane, log } = instance;
  for (;;) {
    await sleep(clock, EVERY_MS, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      for (const { name } of [SERVE, ...children.report()])
        rotateLog(join(paths.logs, `${name}.log`));
      const { renewed, restart } = await controlPlane.upkeep();
      if (restart !== undefined) children.restart(restart.child, restart.reason);
      if (!renewed) continue;
      await writeAdminKubeconfig(paths, cluster, controlPlane);
      log.info("certificates renewed");
    } catch (err) {
      log.error("upkeep failed", { err });
    }
  }
}
