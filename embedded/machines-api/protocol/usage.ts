import { FksError } from "#core/errors.ts";
import type { ContainerUsage, MachineUsage } from "#core/fly/machine-protocol.ts";
import type { MachineRecord } from "../record.ts";
import type { Api } from "../routes/context.ts";
import type { ContainerStats } from "../runtime/runtime.ts";

/** Reading is files of the kernel and of volumes; more at once would only wait for each other. */
const AT_ONCE = 8;

/** What every started Machine uses now; one that goes away meanwhile is left out. */
export async function machinesUsage(api: Api, signal: AbortSignal): Promise<MachineUsage[]> {
  const started = [...api.keeper.all()].filter(({ state }) => state === "started").values();
  const usages: MachineUsage[] = [];
  const worker = async (): Promise<void> => {
    for (const record of started) {
      signal.throwIfAborted();
      const usage = await usageOf(api, record, signal);
      if (usage !== undefined) usages.push(usage);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return usages;
}

async function usageOf(
  { runtime, volumes: persistent, clock }: Api,
  record: MachineRecord,
  signal: AbortSignal,
): Promise<MachineUsage | undefined> {
  const { app, id } = record;
  try {
    const { containers, volumes, network } = await runtime.stats(id, signal);
    return {
      app,
      id,
      at: new Date(clock.now()).toISOString(),
      containers: containers.map(containerUsage),
      volumes: [...volumes, ...persistent.usageOf(record)],
      ...(network === undefined ? {} : { network }),
    };
  } catch (error) {
    if (error instanceof FksError) return undefined;
    throw error;
  }
}

function containerUsage({ startedAtMs, ...rest }: ContainerStats): ContainerUsage {
  return { ...rest, startedAt: new Date(startedAtMs).toISOString() };
}
