import type { ExitEvent, Machine } from "../fly/machine.ts";
import type { ContainerState, MachineReport } from "../fly/machine-protocol.ts";

/**
 * A report made of what the public Machines API tells, where there is no Machine protocol: one
 * state for all containers, exit codes from the Machine's events. Coarse, and never invented.
 */
export function reportFor(machine: Machine): MachineReport {
  const state = stateOf(machine);
  const isRunning = state.running !== undefined;
  const containers = (machine.config ?? machine.incomplete_config)?.containers ?? [];
  const starts = machine.events.filter(({ type }) => type === "start").length;
  return {
    revision: Date.parse(machine.updated_at) || 0,
    ...(isRunning ? { networkReadyAt: machine.updated_at } : {}),
    containers: containers.map(({ name, image }) => ({
      name,
      image,
      imageID: machine.image_ref?.digest ?? "",
      containerID: isRunning || state.terminated ? `fks://${machine.id}/${name}` : "",
      restartCount: Math.max(0, starts - 1),
      state,
      started: isRunning,
      ready: isRunning,
    })),
    events: [],
  };
}

function stateOf(machine: Machine): ContainerState {
  const start = machine.events.find(({ type }) => type === "start");
  const startedAt = new Date(start?.timestamp ?? Date.parse(machine.created_at)).toISOString();
  const { state } = machine;
  if (state === "started" || state === "stopping") return { running: { startedAt } };
  if (state === "stopped" || state === "failed") return { terminated: endFor(machine, startedAt) };
  return { waiting: { reason: "ContainerCreating" } };
}

function endFor(machine: Machine, startedAt: string) {
  const exit = machine.events.find(({ request }) => request?.exit_event !== undefined)?.request
    ?.exit_event;
  return {
    exitCode: exit?.exit_code ?? 137,
    ...(exit !== undefined && exit.guest_signal > 0 ? { signal: exit.guest_signal } : {}),
    reason: reasonFor(exit),
    startedAt,
    finishedAt: exit?.exited_at ?? machine.updated_at,
    containerID: `fks://${machine.id}`,
  };
}

function reasonFor(exit: ExitEvent | undefined): string {
  if (exit === undefined) return "ContainerStatusUnknown";
  if (exit.oom_killed) return "OOMKilled";
  return exit.exit_code === 0 ? "Completed" : "Error";
}
