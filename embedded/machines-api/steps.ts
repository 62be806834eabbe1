/** Does one step of a plan: the only place where the runtime and the images are asked to act. */
import { FksError, messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { Addresses } from "./addresses.ts";
import { containerFound } from "./adopt.ts";
import type { Bundles } from "./bundles.ts";
import { normal, told } from "./container-events.ts";
import {
  type ContainerFailure,
  containerBacksOff,
  containerFailed,
  containerNotRunnable,
} from "./container-failures.ts";
import {
  containerSignalled,
  containerStarted,
  containerStarting,
  withoutSignals,
} from "./container-life.ts";
import type { Image, Images } from "./images/images.ts";
import type { Moment } from "./machine-events.ts";
import { launchedFirst, machineFailed, networkReady, removed } from "./machine-life.ts";
import type { Step } from "./plan.ts";
import { policyOf } from "./policy.ts";
import { containerOf, type MachineRecord, withContainer } from "./record.ts";
import type { Runtime } from "./runtime/runtime.ts";
import type { Slot } from "./slot.ts";
import { containerSpecFor, imageIdOf, machineSpecFor, pulledMessage } from "./specs.ts";

/** A pull is told of once it takes longer than this: an image that is here needs no `Pulling`. */
const PULL_SHOWN_MS = 200;

export type Change = (record: MachineRecord, moment: Moment) => MachineRecord;

/** What the steps work with. */
export interface Parts {
  readonly runtime: Runtime;
  readonly images: Images;
  readonly bundles: Bundles;
  readonly addresses: Addresses;
  readonly clock: Clock;
  readonly log: Log;
}

interface Work extends Parts {
  readonly slot: Slot;
  readonly atOnce: <T>(work: () => Promise<T>) => Promise<T>;
  readonly change: (how: Change) => void;
  readonly signal: AbortSignal;
}

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
      work.bundles.remove(machineId);
      return change(removed);
    case "back-off":
      return change((record, { nowMs }) => containerBacksOff(record, step.key, nowMs));
    case "release":
      return release(work, step.key, step.attempt);
    case "look":
      return look(work, step.key);
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
      return container === undefined ? record : withContainer(record, withoutSignals(container));
    });
    throw error;
  }
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
    return containerFound(record, container, found, nowMs);
  });
}

/** Image, written intent, start, written start. */
async function runContainer(work: Work, name: string): Promise<void> {
  const { slot, change, signal } = work;
  const image = await imageFor(work, name);
  if (image === undefined) return;
  const container = containerOf(slot.record, name);
  if (container?.phase !== "pending" || signal.aborted) return;

  const result = containerSpecFor({
    record: slot.record,
    container,
    attempt: slot.record.attempts[name] ?? 0,
    image,
    address: work.addresses.of(slot.record.serial),
    bundle: work.bundles.read(slot.record.id),
  });
  if (!result.ok) {
    const reason = "CreateContainerConfigError";
    return failed(work, name, { reason, message: result.message, isWorthRetrying: false });
  }
  change((record, { nowMs }) => {
    const wanted = container.image;
    const pulled = told(record, name, normal("Pulled", pulledMessage(image, wanted)), nowMs);
    return containerStarting(withImage(pulled, name, image), name, nowMs);
  });
  const started = await work
    .atOnce(() => work.runtime.start(result.spec, signal))
    .catch((error: unknown) => {
      if (signal.aborted) throw error;
      startFailed(work, name, error);
    });
  if (started === undefined) return;
  change((record) => containerStarted(record, name, started.startedAtMs));
}

async function imageFor(work: Work, name: string): Promise<Image | undefined> {
  const { slot, images, clock, change, signal } = work;
  const reference = containerOf(slot.record, name)?.image ?? "";
  const bundle = work.bundles.read(slot.record.id)?.containers[name];
  const pulling = new AbortController();
  let isTold = false;
  const tell = (): void => {
    if (isTold || signal.aborted) return;
    isTold = true;
    change((record, { nowMs }) =>
      told(record, name, normal("Pulling", `Pulling image "${reference}"`), nowMs),
    );
  };
  clock.after(
    PULL_SHOWN_MS,
    () => {
      try {
        tell();
      } catch (err) {
        work.log.warn("event not written", { machine: slot.record.id, container: name, err });
      }
    },
    pulling.signal,
  );
  try {
    const pullPolicy = bundle?.imagePullPolicy ?? "IfNotPresent";
    const image = await images.ensure({ reference, pullPolicy }, signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      const failure = pullFailureOf(error, reference);
      if (failure.reason === "ErrImagePull") tell();
      failed(work, name, failure);
    });
    if (image?.source === "pulled") tell();
    const signalName = image?.config.StopSignal;
    if (signalName !== undefined) slot.imageSignals.set(name, signalName);
    return image ?? undefined;
  } finally {
    pulling.abort();
  }
}

/** The kubelet's reasons for an image that cannot be had. */
function pullFailureOf(error: unknown, reference: string): ContainerFailure {
  const message = messageOf(error);
  if (FksError.is(error, "InvalidInput")) {
    return { reason: "InvalidImageName", message, isWorthRetrying: false };
  }
  if (FksError.is(error, "NotFound") && message.startsWith("ErrImageNeverPull")) {
    const text = `Container image "${reference}" is not present with pull policy of Never`;
    return { reason: "ErrImageNeverPull", message: text, isWorthRetrying: true };
  }
  return { reason: "ErrImagePull", message, isWorthRetrying: true };
}

function withImage(record: MachineRecord, name: string, image: Image): MachineRecord {
  const container = containerOf(record, name);
  if (container === undefined) return record;
  const { registry, repository, tag, digest } = image;
  const labels = image.config.Labels ?? {};
  const changed = withContainer(record, { ...container, imageID: imageIdOf(image) });
  return record.containers[0]?.name === name
    ? { ...changed, imageRef: { registry, repository, tag, digest, labels } }
    : changed;
}

function startFailed(work: Work, name: string, error: unknown): void {
  const message = messageOf(error);
  if (!FksError.is(error, "InvalidInput")) {
    return failed(work, name, { reason: "CreateContainerError", message, isWorthRetrying: true });
  }
  if (!policyOf(work.slot.record.config).keepsTrying) {
    return work.change((record, moment) =>
      machineFailed(containerNotRunnable(record, name, message, moment.nowMs), message, moment),
    );
  }
  work.change((record, { nowMs }) => containerNotRunnable(record, name, message, nowMs));
}

function failed(work: Work, name: string, failure: ContainerFailure): void {
  work.change((record, moment) => {
    const waiting = containerFailed(record, name, failure, moment.nowMs);
    if (policyOf(record.config).keepsTrying) return waiting;
    return machineFailed(waiting, `${failure.reason}: ${failure.message}`, moment);
  });
}
