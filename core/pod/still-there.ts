import { FksError } from "../errors.ts";
import type { Machine, MachineId } from "../fly/machine.ts";
import type { Machines } from "../ports/machines.ts";

/** The Machine as the Machines API has it now; `undefined` only when it says that there is none. */
export async function stillThere(
  machines: Machines,
  app: string,
  id: MachineId,
  signal: AbortSignal,
): Promise<Machine | undefined> {
  try {
    return await machines.get(app, id, signal);
  } catch (error) {
    if (FksError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

/** Whether the Machines API says that there is no such Machine, or that it is destroyed. */
export async function isGone(
  machines: Machines,
  app: string,
  id: MachineId,
  signal: AbortSignal,
): Promise<boolean> {
  const machine = await stillThere(machines, app, id, signal);
  return machine === undefined || machine.state === "destroyed";
}
