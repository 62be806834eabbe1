import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flapsAddresses } from "#adapters/flaps/addresses.ts";
import { flapsApps } from "#adapters/flaps/apps.ts";
import { callBudget } from "#adapters/flaps/budget.ts";
import { flapsMachines } from "#adapters/flaps/machines.ts";
import { flapsVolumes } from "#adapters/flaps/volumes.ts";
import { hostClock } from "#adapters/host/clock.ts";
import { machineProtocol } from "#adapters/machine-protocol/protocol.ts";
import { type NetworkPlan, networkPlanFor, nodeAddressFor } from "#core/fly/network.ts";
import { onAnyPort } from "#core/ports/listen.ts";
import { hostImages } from "#embedded/machines-api/images/host-images.ts";
import type { Images } from "#embedded/machines-api/images/images.ts";
import { hostNetwork } from "#embedded/machines-api/network/host-network.ts";
import { crunRuntime } from "#embedded/machines-api/runtime/crun/crun.ts";
import { removeRunDir } from "#embedded/machines-api/runtime/crun/run-dir.ts";
import { noImages } from "#embedded/machines-api/runtime/no-images.ts";
import { noRuntime } from "#embedded/machines-api/runtime/none.ts";
import type { Runtime } from "#embedded/machines-api/runtime/runtime.ts";
import { serveMachinesApi } from "#embedded/machines-api/server.ts";
import {
  hostVolumeFiles,
  unmountVolumes,
} from "#embedded/machines-api/volumes/host-volume-files.ts";
import { noVolumeFiles } from "#embedded/machines-api/volumes/no-volume-files.ts";
import type { VolumeFiles } from "#embedded/machines-api/volumes/volume-files.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { busyboxImage } from "#test/fixtures/images.ts";
import type { AddressesWorld } from "./addresses-contract.ts";
import type { VolumesWorld } from "./volumes-contract.ts";

const IMAGE = "fks-contract/busybox:1";
const REGION = "local-a";
const clock = hostClock();

/** What runs Machines, with all that has to be there for it and goes away with it. */
interface RuntimeWorld {
  readonly runtime: Runtime;
  readonly images: Images;
  readonly volumeFiles: VolumeFiles;
  close(): Promise<void>;
}

/** The embedded Machines API with states only, asked over HTTP. */
export function embeddedWithoutRuntime(): Promise<AddressesWorld & VolumesWorld> {
  return embedded(async () => ({
    runtime: noRuntime(clock),
    images: noImages(),
    volumeFiles: noVolumeFiles(),
    close: async () => {},
  }));
}

/** The embedded Machines API with real containers in a network of their own; needs root. */
export function embeddedWithContainers(): Promise<AddressesWorld & VolumesWorld> {
  return embedded(async (plan, folder, signal) => {
    const log = memoryLog();
    const images = hostImages({ folder: join(folder, "images"), clock, isDurable: false });
    await images.load(await busyboxImage({ reference: IMAGE }), signal);
    const network = hostNetwork(plan, [nodeAddressFor(plan.id, 0)], { log, egress: false });
    await network.ensure(signal);
    return {
      runtime: crunRuntime(
        { plan, machinesDir: join(folder, "m"), profilesDir: join(folder, "p"), clock, log },
        signal,
      ),
      images,
      volumeFiles: hostVolumeFiles({ folder: join(folder, "volumes"), log }),
      async close() {
        unmountVolumes(join(folder, "volumes"));
        await network.remove(new AbortController().signal);
        removeRunDir(plan);
      },
    };
  });
}

async function embedded(
  open: (plan: NetworkPlan, folder: string, signal: AbortSignal) => Promise<RuntimeWorld>,
): Promise<AddressesWorld & VolumesWorld> {
  const plan = networkPlanFor(randomBytes(4).toString("hex"));
  const folder = mkdtempSync(join(tmpdir(), "fks-contract-"));
  const stop = new AbortController();
  const below = await open(plan, folder, stop.signal);
  const tokens = { api: "contract-api-token", protocol: "contract-protocol-token" };
  const server = await serveMachinesApi(
    {
      host: "127.0.0.1",
      listen: onAnyPort,
      storePath: join(folder, "machines.db"),
      runDir: join(folder, "run"),
      networkId: plan.id,
      runtime: below.runtime,
      images: below.images,
      volumeFiles: below.volumeFiles,
      tokens,
      regions: [REGION],
      limits: "off",
      clock,
      log: memoryLog(),
      random: (count) => randomBytes(count),
    },
    stop.signal,
  );
  const clients = (api: string, protocol: string) => {
    const budget = callBudget({ clock, enabled: false });
    const flaps = { baseUrl: server.url, token: api, budget, clock, log: memoryLog() };
    return {
      machines: flapsMachines(flaps),
      apps: flapsApps({ ...flaps, orgSlug: "personal" }),
      addresses: flapsAddresses(flaps),
      volumes: flapsVolumes(flaps),
      protocol: machineProtocol({ baseUrl: server.url, token: protocol, clock }),
    };
  };
  const ours = clients(tokens.api, tokens.protocol);
  const app = `fks-contract-${plan.id}`;
  await ours.apps.create(app, stop.signal);
  return {
    ...ours,
    stranger: clients("wrong-token", "wrong-token"),
    app,
    givesWanted: true,
    region: REGION,
    image: IMAGE,
    run: plan.id,
    async close() {
      await server.stop();
      await below.close();
      stop.abort(new Error("the contract is over"));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
