/** From an image's name to a container that runs, each step written before and after. */
import { FksError, messageOf } from "#core/errors.ts";
import type { ContainerResources } from "#core/fly/machine-protocol.ts";
import { normal, told } from "./container-events.ts";
import {
  type ContainerFailure,
  containerFailed,
  containerNotRunnable,
} from "./container-failures.ts";
import { containerLaunched, containerStarted, containerStarting } from "./container-life.ts";
import { runPostStart } from "./hooks.ts";
import type { Image } from "./images/images.ts";
import { machineFailed } from "./machine-life.ts";
import { policyOf } from "./policy.ts";
import { containerOf, type MachineRecord, withContainer } from "./record.ts";
import type { StartedUser } from "./runtime/runtime.ts";
import { containerSpecFor, imageIdOf, pulledMessage } from "./specs.ts";
import type { Work } from "./work.ts";

/** A pull is told of once it takes longer than this: an image that is here needs no `Pulling`. */
const PULL_SHOWN_MS = 200;

/** Image, written intent, start, written start. */
export async function runContainer(work: Work, name: string): Promise<void> {
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
    const { message, isWorthRetrying = false } = result;
    return failed(work, name, { reason, message, isWorthRetrying });
  }
  change((record, { nowMs }) => {
    const wanted = container.image;
    const pulled = told(record, name, normal("Pulled", pulledMessage(image, wanted)), nowMs);
    return containerStarting(withImage(pulled, name, image), name, nowMs);
  });
  const { cpuMillis, memoryBytes, cpuShares } = result.spec;
  const started = await work
    .atOnce(() => work.runtime.start(result.spec, signal))
    .catch((error: unknown) => {
      if (signal.aborted) throw error;
      startFailed(work, name, error);
    });
  if (started === undefined) return;
  const { startedAtMs, user } = started;
  const resources: ContainerResources = {
    ...(cpuMillis === undefined ? {} : { cpu_millis: cpuMillis }),
    ...(memoryBytes === undefined ? {} : { memory_bytes: memoryBytes }),
    ...(cpuShares === undefined ? {} : { cpu_shares: cpuShares }),
  };
  const conduct = work.bundles.conducts(slot.record.id).get(name);
  change((record) => {
    const known = withStart(record, name, user, resources);
    return conduct?.hooks?.postStart === undefined
      ? containerStarted(known, name, startedAtMs, conduct)
      : containerLaunched(known, name, startedAtMs);
  });
  await runPostStart(work, name);
}

function withStart(
  record: MachineRecord,
  name: string,
  user: StartedUser,
  resources: ContainerResources,
): MachineRecord {
  const container = containerOf(record, name);
  if (container?.phase !== "starting") return record;
  return withContainer(record, { ...container, user, resources });
}

async function imageFor(work: Work, name: string): Promise<Image | undefined> {
  const { slot, images, clock, change, signal } = work;
  const reference = containerOf(slot.record, name)?.image ?? "";
  const bundle = work.bundles.read(slot.record.id);
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
    const pullPolicy = bundle?.containers[name]?.imagePullPolicy ?? "IfNotPresent";
    const credentials = bundle?.pullCredentials;
    const request = {
      reference,
      pullPolicy,
      ...(credentials === undefined ? {} : { credentials }),
    };
    const image = await images.ensure(request, signal).catch((error: unknown) => {
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

/** What the runtime refuses for the container's user or its volumes, in the kubelet's words. */
const CONFIG_ERROR = /runAsNonRoot|subPath/;

function startFailed(work: Work, name: string, error: unknown): void {
  const message = messageOf(error);
  if (FksError.is(error, "InvalidInput") && CONFIG_ERROR.test(message)) {
    const reason = "CreateContainerConfigError";
    return failed(work, name, { reason, message, isWorthRetrying: true });
  }
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
