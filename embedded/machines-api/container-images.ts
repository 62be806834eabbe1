/** The images that one container needs before it can start. */
import { FksError, messageOf } from "#core/errors.ts";
import { normal, told } from "./container-events.ts";
import { type ContainerFailure, containerFailed } from "./container-failures.ts";
import type { Image, ImageRequest } from "./images/images.ts";
import { machineFailed } from "./machine-life.ts";
import { configOf, policyOf } from "./policy.ts";
import { containerOf } from "./record.ts";
import { pulledMessage } from "./specs.ts";
import { mountsWanted } from "./volume-specs.ts";
import type { Work } from "./work.ts";

/** A pull is told of once it takes longer than this: an image that is here needs no `Pulling`. */
const PULL_SHOWN_MS = 200;

interface ContainerImages {
  readonly image: Image;
  /** By name of the volume the image it shows. */
  readonly volumeImages: ReadonlyMap<string, Image>;
  /** What to tell of how each of them came to be here. */
  readonly pulled: readonly string[];
}

/** As in the kubelet those of its volumes first; undefined when one cannot be had, which is told. */
export async function imagesFor(work: Work, name: string): Promise<ContainerImages | undefined> {
  const { slot } = work;
  const bundle = work.bundles.read(slot.record.id);
  const mounts = mountsWanted(configOf(slot.record, name), name, bundle);
  const pulled: string[] = [];
  const volumeImages = new Map<string, Image>();
  const credentials = bundle?.pullCredentials;
  const ensured = async (reference: string, pullPolicy: ImageRequest["pullPolicy"]) => {
    const request = {
      reference,
      pullPolicy,
      ...(credentials === undefined ? {} : { credentials }),
    };
    const image = await imageFor(work, name, request);
    if (image !== undefined) pulled.push(pulledMessage(image, reference));
    return image;
  };

  for (const volume of new Set(mounts.map((mount) => mount.name))) {
    const wanted = bundle?.images?.[volume];
    if (wanted === undefined) continue;
    // oxlint-disable-next-line no-await-in-loop -- the first that fails is told, and only that one
    const shown = await ensured(wanted.image, wanted.imagePullPolicy ?? "IfNotPresent");
    if (shown === undefined) return undefined;
    volumeImages.set(volume, shown);
  }
  const pullPolicy = bundle?.containers[name]?.imagePullPolicy ?? "IfNotPresent";
  const image = await ensured(containerOf(slot.record, name)?.image ?? "", pullPolicy);
  if (image === undefined) return undefined;
  const signalName = image.config.StopSignal;
  if (signalName !== undefined) slot.imageSignals.set(name, signalName);
  return { image, volumeImages, pulled };
}

async function imageFor(
  work: Work,
  name: string,
  request: ImageRequest,
): Promise<Image | undefined> {
  const { slot, images, clock, change, signal } = work;
  const { reference } = request;
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
    const image = await images.ensure(request, signal).catch((error: unknown) => {
      if (signal.aborted) throw error;
      const failure = pullFailureOf(error, reference);
      if (failure.reason === "ErrImagePull") tell();
      failed(work, name, failure);
    });
    if (image?.source === "pulled") tell();
    return image ?? undefined;
  } finally {
    pulling.abort();
  }
}

/** The kubelet's reasons for an image that cannot be had. */
function pullFailureOf(error: unknown, reference: string): ContainerFailure {
  const message = messageOf(error);
  if (FksError.is(error, "InvalidInput")) {
    const why = message.replace(/^InvalidImageName: /, "");
    const text = `Failed to apply default image tag "${reference}": couldn't parse image name ${why}`;
    return { reason: "InvalidImageName", image: reference, message: text, isWorthRetrying: false };
  }
  if (FksError.is(error, "NotFound") && message.startsWith("ErrImageNeverPull")) {
    const text = `Container image "${reference}" is not present with pull policy of Never`;
    return { reason: "ErrImageNeverPull", image: reference, message: text, isWorthRetrying: true };
  }
  return { reason: "ErrImagePull", image: reference, message, isWorthRetrying: true };
}

/** The container waits, or its Machine fails where nothing is tried again. */
export function failed(work: Work, name: string, failure: ContainerFailure): void {
  work.change((record, moment) => {
    const waiting = containerFailed(record, name, failure, moment.nowMs);
    if (policyOf(record.config).keepsTrying) return waiting;
    return machineFailed(waiting, `${failure.reason}: ${failure.message}`, moment);
  });
}
