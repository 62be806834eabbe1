/** From an image's name to a container that runs, each step written before and after. */
import { FksError, messageOf } from "#core/errors.ts";
import type { ContainerResources } from "#core/fly/machine-protocol.ts";
import { normal, told } from "./container-events.ts";
import { containerNotRunnable } from "./container-failures.ts";
import { failed, imagesFor } from "./container-images.ts";
import { containerLaunched, containerStarted, containerStarting } from "./container-life.ts";
import { runPostStart } from "./hooks.ts";
import type { Image } from "./images/images.ts";
import { machineFailed } from "./machine-life.ts";
import { policyOf } from "./policy.ts";
import { containerOf, isActive, type MachineRecord, withContainer } from "./record.ts";
import type { StartedUser } from "./runtime/runtime.ts";
import { containerSpecFor, imageIdOf } from "./specs.ts";
import type { Work } from "./work.ts";

/** Image, written intent, start, written start. */
export async function runContainer(work: Work, name: string): Promise<void> {
  const { slot, change, signal } = work;
  const images = await imagesFor(work, name);
  if (images === undefined) return;
  const { image, volumeImages } = images;
  const container = containerOf(slot.record, name);
  if (container?.phase !== "pending" || signal.aborted) return;

  const result = containerSpecFor({
    record: slot.record,
    container,
    attempt: slot.record.attempts[name] ?? 0,
    image,
    volumeImages,
    address: work.addresses.of(slot.record.serial),
    bundle: work.bundles.read(slot.record.id),
    folderOf: (id) => work.volumes.folderOf(id),
  });
  if (!result.ok) {
    const reason = "CreateContainerConfigError";
    const { message, isWorthRetrying = false } = result;
    return failed(work, name, { reason, message, isWorthRetrying });
  }
  change((record, { nowMs }) => {
    const pulled = images.pulled.reduce(
      (known, message) => told(known, name, normal("Pulled", message), nowMs),
      record,
    );
    return containerStarting(withImage(pulled, name, image), name, nowMs);
  });
  const { cpuMillis, memoryBytes, cpuShares } = result.spec;
  const started = await work
    .atOnce(async () => {
      const others = slot.record.containers.filter((other) => other.name !== name);
      await work.volumes.mount(slot.record, !others.some(isActive), signal);
      return work.runtime.start(result.spec, signal);
    })
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
