import {
  type PodController,
  type PodControllerDeps,
  podController,
} from "#core/pod/pod-controller.ts";
import { fakeClock } from "./clock.ts";
import { memoryLog } from "./log.ts";
import { memoryWorld } from "./machines.ts";
import { memoryCluster } from "./memory-cluster.ts";

interface PodWorldOptions {
  readonly stepMs?: number;
  readonly hasProtocol?: boolean;
  /** Changes the parts before they are put together. */
  readonly wrap?: (deps: PodControllerDeps) => PodControllerDeps;
}

/** A cluster and a Machines API in memory, with the real Pod controller between them. */
export function podWorld({
  stepMs = 0,
  hasProtocol = true,
  wrap = (parts) => parts,
}: PodWorldOptions = {}) {
  const clock = fakeClock();
  const world = memoryWorld({ clock, stepMs });
  const cluster = memoryCluster({ clock });
  const log = memoryLog();
  let stop = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let controller: PodController | undefined;
  cluster.onChange((key) => controller?.touch(key));

  function deps(): PodControllerDeps {
    return wrap({
      pods: cluster.pods,
      events: cluster.events,
      cluster: cluster.cluster,
      namespaces: cluster.namespaces,
      apps: world.apps,
      machines: world.machines,
      ...(hasProtocol ? { protocol: world.protocol } : {}),
      clusterUid: "cluster-1",
      apiServer: { host: "fdaa::1", port: 6443 },
      nodes: new Map([
        ["local-a", { region: "local-a", hostIP: "fdaa::10", allocatable: { cpu: "2" } }],
      ]),
      clock,
      log,
    });
  }

  return {
    clock,
    world,
    cluster,
    log,
    machineOf: (uid: string) => controller?.machineOf(uid),
    start: () => {
      stop = new AbortController();
      controller = podController(deps());
      running = controller.run(stop.signal);
      running.catch(() => {});
    },
    /** As `kill -9` and whatever was on its way gone with it. */
    stop: async () => {
      stop.abort(new Error("the test stops the controller"));
      await running;
    },
    ended: () => running,
    /** Lets everything that can go on go on, then turns the clock, `times` times. */
    pass: async (ms: number, times = 1) => {
      for (let i = 0; i < times; i += 1) {
        await idle();
        clock.advance(ms);
        await idle();
      }
    },
  };
}

/** Until no promise can go on by itself; everything here is in memory. */
export async function idle(): Promise<void> {
  for (let i = 0; i < 6; i += 1) await new Promise<void>((resolve) => setImmediate(resolve));
}
