import type { MachineConfig } from "#core/fly/machine.ts";
import { containersOf } from "./policy.ts";
import { type ContainerRecord, lastStateOf } from "./record.ts";
import { hasForerunners } from "./roles.ts";

/** Containers as the config wants them, before their next start; counts of known names go on. */
export function freshContainers(
  config: MachineConfig,
  previous: readonly ContainerRecord[],
): readonly ContainerRecord[] {
  const wanted = containersOf(config);
  return wanted.map(({ name, image, depends_on = [] }) => {
    const known = previous.find((other) => other.name === name);
    const waitsForInit =
      hasForerunners(config) ||
      depends_on.some(({ condition }) => condition === "exited_successfully");
    const fresh = freshContainer(name, image, waitsForInit);
    return known?.exit === undefined ? fresh : continued(fresh, known);
  });
}

/** One container before its first start. */
export function freshContainer(name: string, image: string, waitsForInit = false): ContainerRecord {
  return {
    name,
    image,
    phase: "pending",
    attempt: 0,
    restartCount: 0,
    imageID: "",
    containerID: "",
    shown: { waiting: { reason: waitsForInit ? "PodInitializing" : "ContainerCreating" } },
    hasStarted: false,
    isStarted: false,
    isReady: false,
    notBeforeMs: 0,
    crashBackOffMs: 0,
    failBackOffMs: 0,
    retries: 0,
    unreleased: [],
  };
}

function continued(fresh: ContainerRecord, known: ContainerRecord): ContainerRecord {
  const { exit, attempt, restartCount, containerID, imageID, unreleased } = known;
  const lastState = lastStateOf(known);
  return {
    ...fresh,
    attempt,
    restartCount,
    containerID,
    imageID,
    unreleased,
    ...(exit === undefined ? {} : { exit }),
    ...(lastState === undefined ? {} : { lastState }),
  };
}
