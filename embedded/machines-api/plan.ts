import type { Plan, Surroundings, Want } from "./plan-types.ts";
import { configOf, policyOf } from "./policy.ts";
import { type ContainerRecord, containerOf, type MachineRecord } from "./record.ts";
import { roleOf } from "./roles.ts";
import { stopOf } from "./stop-order.ts";

/** Every step that may be taken for this Machine now. Pure. */
export function planFor(record: MachineRecord, around: Surroundings): Plan {
  const { state } = record;
  if (state === "destroyed") return { steps: [] };
  if (state === "destroying") return { steps: [{ do: "remove", key: "" }] };
  if (state === "created") return { steps: [{ do: "launch-first", key: "" }] };

  const wants = record.containers.map((container) => wantOf(record, container, around));
  const steps = wants.flatMap(({ step }) => (step === undefined ? [] : [step]));
  const wakes = wants.flatMap(({ atMs }) => (atMs === undefined ? [] : [atMs]));
  if (mayRun(record)) {
    const { deadlineMs = Number.POSITIVE_INFINITY } = record;
    if (deadlineMs <= around.nowMs) return { steps: [{ do: "deadline", key: "" }] };
    if (deadlineMs < Number.POSITIVE_INFINITY) wakes.push(deadlineMs);
    if (!around.isPrepared) steps.push({ do: "prepare", key: "" });
  }
  return wakes.length === 0 ? { steps } : { steps, wakeAtMs: Math.min(...wakes) };
}

function wantOf(record: MachineRecord, container: ContainerRecord, around: Surroundings): Want {
  const { name: key } = container;
  const attempt = container.unreleased[0];
  if (attempt !== undefined) return { step: { do: "release", key, attempt } };
  // Nobody is starting it any more: the outcome was lost on its way here.
  if (container.phase === "starting") return { step: { do: "look", key } };
  if (container.phase === "running") {
    const isEnding = record.stopping !== undefined || container.ending !== undefined;
    return isEnding ? stopOf(record, container, around) : resizeOf(container, around);
  }
  return container.phase === "pending" && mayRun(record) ? startOf(record, container, around) : {};
}

function startOf(record: MachineRecord, container: ContainerRecord, around: Surroundings): Want {
  const { name: key } = container;
  if (container.next !== undefined) {
    const isDue = container.next.atMs <= around.nowMs;
    return isDue ? { step: { do: "back-off", key } } : { atMs: container.next.atMs };
  }
  if (container.notBeforeMs > around.nowMs) return { atMs: container.notBeforeMs };
  const waits = policyOf(record.config).awaitsBundle && !around.hasBundle;
  if (waits || !around.isPrepared || !isUnblocked(record, container)) return {};
  if (waitsForHook(record, container, around)) return {};
  const refused = around.conducts.get(key)?.refused;
  if (refused === undefined) return { step: { do: "run", key } };
  const { reason, message } = container.shown.waiting ?? {};
  const isShown = reason === refused.reason && message === refused.message;
  return isShown ? {} : { step: { do: "refuse", key } };
}

/**
 * As in the kubelet, which starts one after the other, a container's first start waits until the
 * `postStart` hook of an earlier one is done, unless that one has trouble of its own.
 */
function waitsForHook(
  record: MachineRecord,
  { name, startedMs }: ContainerRecord,
  { conducts, nowMs }: Surroundings,
): boolean {
  if (startedMs !== undefined || roleOf(record, name) === "added") return false;
  const { containers } = record;
  const earlier = containers.slice(
    0,
    containers.findIndex((other) => other.name === name),
  );
  return earlier.some(
    (other) =>
      other.startedMs === undefined &&
      (other.phase === "starting" || (other.phase === "pending" && other.notBeforeMs <= nowMs)) &&
      conducts.get(other.name)?.hooks?.postStart !== undefined &&
      conducts.get(other.name)?.refused === undefined,
  );
}

function resizeOf(container: ContainerRecord, { conducts }: Surroundings): Want {
  const { name: key } = container;
  const { resources = {}, restartOnResize = [] } = conducts.get(key) ?? {};
  const { cpu_millis, memory_bytes, cpu_shares } = container.resources ?? {};
  const isOther = {
    cpu: cpu_millis !== resources.cpu_millis || cpu_shares !== resources.cpu_shares,
    memory: memory_bytes !== resources.memory_bytes,
  };
  if (!isOther.cpu && !isOther.memory) return {};
  const startsAnew = restartOnResize.some((resource) => isOther[resource]);
  // What it has is not known of one that started before that was written down.
  if (startsAnew && container.resources !== undefined)
    return { step: { do: "restart-resized", key } };
  return { step: { do: "resize", key, resources } };
}

/** States in which containers are started. */
function mayRun({ state, stopping }: MachineRecord): boolean {
  return (state === "starting" || state === "started") && stopping === undefined;
}

/** All that the container depends on has happened; what ran once is not held back again. */
function isUnblocked(record: MachineRecord, container: ContainerRecord): boolean {
  if (container.startedMs !== undefined) return true;
  return (configOf(record, container.name)?.depends_on ?? []).every(({ name, condition }) => {
    const other = containerOf(record, name);
    if (other === undefined) return true;
    if (condition === "exited_successfully") {
      return other.phase === "done" && other.exit?.exitCode === 0;
    }
    return other.hasStarted;
  });
}
