/** Does one step of a plan: the only place where the runtime and the images are asked to act. */
import { messageOf } from "#core/errors.ts";
import type { ContainerResources } from "#core/fly/machine-protocol.ts";
import { containerFound } from "./adopt.ts";
import { containerOutgrown, containerSignalled, signalledAnew } from "./container-ending.ts";
import { containerBacksOff, containerRefused } from "./container-failures.ts";
import { runPreStop } from "./hooks.ts";
import {
  deadlineExceeded,
  launchedFirst,
  machineFailed,
  networkReady,
  removed,
} from "./machine-life.ts";
import type { Step } from "./plan-types.ts";
import { policyOf } from "./policy.ts";
import { containerOf, withContainer } from "./record.ts";
import { runContainer } from "./run-container.ts";
import { machineSpecFor } from "./specs.ts";
import type { Work } from "./work.ts";

export async function performStep(step: Step, work: Work): Promise<void> {
  const { slot, runtime, change, signal } = work;
  const machineId = slot.record.id;
  switch (step.do) {
    case "launch-first":
      return change(launchedFirst);
    case "prepare":
      return prepare(work);
    case "remove":
      await work.atOnce(() => runtime.remove(machineId, signal));
      await work.volumes.release(slot.record, signal);
      work.bundles.remove(machineId);
      return change(removed);
    case "back-off":
      return change((record, { nowMs }) => containerBacksOff(record, step.key, nowMs));
    case "release":
      return release(work, step.key, step.attempt);
    case "look":
      return look(work, step.key);
    case "refuse":
      return change((record, { nowMs }) =>
        containerRefused(record, step.key, work.bundles.conducts(machineId), nowMs),
      );
    case "deadline":
      return change(deadlineExceeded);
    case "resize":
      return resize(work, step.key, step.resources);
    case "restart-resized":
      return change((record, { nowMs }) => containerOutgrown(record, step.key, nowMs));
    case "pre-stop":
      return runPreStop(work, step.key, step.forMs);
    case "signal":
      return sendSignal(work, step.key, step.signal, step.isKill);
    case "run":
      return runContainer(work, step.key);
  }
}

async function prepare({ slot, ...work }: Work): Promise<void> {
  const { record } = slot;
  const { wanted } = slot.preparation;
  const bundle = work.bundles.read(record.id);
  const spec = machineSpecFor(record, work.addresses.of(record.serial), bundle);
  try {
    await work.atOnce(() => work.runtime.prepare(spec, work.signal));
  } catch (error) {
    if (work.signal.aborted || policyOf(record.config).keepsTrying) throw error;
    return work.change((now, moment) => machineFailed(now, messageOf(error), moment));
  }
  work.change(networkReady);
  // A bundle with more lines for the hosts file may have come meanwhile.
  slot.preparation = { ...slot.preparation, made: wanted };
}

async function release(work: Work, name: string, attempt: number): Promise<void> {
  const id = { machineId: work.slot.record.id, name, attempt };
  try {
    await work.runtime.release(id, work.signal);
  } catch (err) {
    if (work.signal.aborted) throw err;
    // Removing the Machine frees whatever is left.
    work.log.warn("container was not released", { machine: id.machineId, container: name, err });
  }
  work.change((record) => {
    const container = containerOf(record, name);
    if (container === undefined) return record;
    const unreleased = container.unreleased.filter((other) => other !== attempt);
    return withContainer(record, { ...container, unreleased });
  });
}

async function sendSignal(
  work: Work,
  name: string,
  signalName: string,
  isKill: boolean,
): Promise<void> {
  const { slot, runtime, change } = work;
  const attempt = containerOf(slot.record, name)?.attempt ?? 0;
  change((record, { nowMs }) => containerSignalled(record, name, isKill, nowMs));
  try {
    await runtime.signal({ machineId: slot.record.id, name, attempt }, signalName, work.signal);
  } catch (error) {
    change((record) => {
      const container = containerOf(record, name);
      return container === undefined ? record : withContainer(record, signalledAnew(container));
    });
    throw error;
  }
}

/** New limits for one that runs; what cannot be now is tried again. */
async function resize(work: Work, name: string, resources: ContainerResources): Promise<void> {
  const { slot, runtime, change, signal } = work;
  const attempt = containerOf(slot.record, name)?.attempt ?? 0;
  const id = { machineId: slot.record.id, name, attempt };
  const limits = {
    cpuMillis: resources.cpu_millis,
    memoryBytes: resources.memory_bytes,
    cpuShares: resources.cpu_shares,
  };
  await runtime.resize(id, limits, signal);
  change((record) => {
    const container = containerOf(record, name);
    if (container?.attempt !== attempt) return record;
    return withContainer(record, { ...container, resources });
  });
}

async function look(work: Work, name: string): Promise<void> {
  const all = await work.runtime.list(work.signal);
  work.change((record, { nowMs }) => {
    const container = containerOf(record, name);
    if (container?.phase !== "starting") return record;
    const found = all.find(
      ({ id }) =>
        id.machineId === record.id && id.name === name && id.attempt === container.attempt,
    );
    return containerFound(record, container, found, work.bundles.conducts(record.id), nowMs);
  });
}
