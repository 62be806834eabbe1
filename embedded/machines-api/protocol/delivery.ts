import { FksError } from "#core/errors.ts";
import type {
  AddedContainer,
  Bundle,
  MachineEndRequest,
  VolumeFile,
} from "#core/fly/machine-protocol.ts";
import { containerAdded, delivered, endAsked } from "../machine-life.ts";
import { policyOf } from "../policy.ts";
import { containerOf, type MachineRecord } from "../record.ts";
import type { Api } from "../routes/context.ts";
import { filesVolume } from "../volume-specs.ts";

/** Takes in what a Machine's containers wait for; running ones see new files at once. */
export async function deliver(
  { keeper, bundles, runtime }: Api,
  record: MachineRecord,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<void> {
  refuseGone(record);
  const { id } = record;
  bundles.write(id, withAdded(record, bundle, bundles.read(id)));
  if (concernsMachine(bundle)) keeper.prepareAgain(id);
  // Its readers have to hear that it waits no longer, also when nothing else changes.
  keeper.change(id, (current) => delivered(current, bundle));
  if (!hasRun(record)) return;
  for (const [name, files] of Object.entries(bundle.volumes)) {
    await runtime.writeVolume(id, filesVolume(name, files), signal);
  }
}

/** What came with an added container stays, since a later bundle need not know of it. */
function withAdded({ added = [] }: MachineRecord, bundle: Bundle, before?: Bundle): Bundle {
  const kept = added.flatMap(({ name }) => {
    const own = before?.containers[name];
    return own === undefined ? [] : [[name, own] as const];
  });
  return { ...bundle, containers: { ...Object.fromEntries(kept), ...bundle.containers } };
}

/** One more container for a Machine that runs. A name that is there already is a success. */
export function addContainer(
  { keeper, bundles }: Api,
  record: MachineRecord,
  name: string,
  { image, target, bundle }: AddedContainer,
): void {
  if (containerOf(record, name) !== undefined) return;
  if (record.state !== "started" || record.stopping !== undefined) {
    throw new FksError("Conflict", `the Machine is ${record.state}, not started`);
  }
  if (target !== undefined && containerOf(record, target) === undefined) {
    throw new FksError("InvalidInput", `target container ${JSON.stringify(target)} not found`);
  }
  const whole = bundles.read(record.id);
  if (whole === undefined && policyOf(record.config).awaitsBundle) {
    throw new FksError("Conflict", "the Machine has no bundle yet");
  }
  const { containers = {}, volumes = {} } = whole ?? {};
  bundles.write(record.id, { ...whole, volumes, containers: { ...containers, [name]: bundle } });
  const added = { name, image, ...(target === undefined ? {} : { target }) };
  keeper.change(record.id, (current) => containerAdded(current, added));
}

/** Ends all containers for good. What was ended so before stays ended in its own words. */
export function end({ keeper }: Api, record: MachineRecord, request: MachineEndRequest): void {
  const { id, state, stopping, ended } = record;
  if (ended !== undefined) return;
  if ((state !== "starting" && state !== "started") || stopping !== undefined) {
    throw new FksError("Conflict", `the Machine is ${state}, not started`);
  }
  keeper.change(id, (current, moment) => endAsked(current, request, moment));
}

/** It says something about the Machine as a whole, which may be there already. */
function concernsMachine({ hosts = [], sysctls = {}, sharesProcesses, fsGroup }: Bundle): boolean {
  return (
    hosts.length > 0 ||
    Object.keys(sysctls).length > 0 ||
    sharesProcesses === true ||
    fsGroup !== undefined
  );
}

/** Replaces the files of one volume, for running containers and for later starts. */
export async function writeFiles(
  { bundles, runtime }: Api,
  record: MachineRecord,
  change: { readonly volume: string; readonly files: readonly VolumeFile[] },
  signal: AbortSignal,
): Promise<void> {
  refuseGone(record);
  const { id } = record;
  const { volume, files } = change;
  const bundle = bundles.read(id);
  if (bundle === undefined && isMounted(record, volume)) {
    throw new FksError("Conflict", "the Machine has no bundle yet");
  }
  if (bundle?.volumes[volume] === undefined) {
    throw new FksError("NotFound", `volume ${volume} is not one of the bundle's`);
  }
  bundles.write(id, { ...bundle, volumes: { ...bundle.volumes, [volume]: files } });
  if (hasRun(record)) await runtime.writeVolume(id, filesVolume(volume, files), signal);
}

function isMounted({ config }: MachineRecord, volume: string): boolean {
  const mounts = config.containers?.flatMap((container) => container.mounts ?? []) ?? [];
  return mounts.some(({ name }) => name === volume);
}

function hasRun({ containers }: MachineRecord): boolean {
  return containers.some(({ startedMs }) => startedMs !== undefined);
}

function refuseGone({ state }: MachineRecord): void {
  if (state === "destroying" || state === "destroyed") {
    throw new FksError("Conflict", "the Machine is being destroyed");
  }
}
