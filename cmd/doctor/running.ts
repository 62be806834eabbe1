import { requireFreePort } from "#adapters/host/ports.ts";
import { kubernetesClusterObjects } from "#adapters/kubernetes/cluster-objects.ts";
import type { Apps } from "#core/ports/apps.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { StatusReport } from "#core/status/report.ts";
import type { Cluster } from "../cluster.ts";
import { adminClient, nodeReports, unreadyWords } from "../cluster-client.ts";
import type { Config } from "../config.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, ok, skipped } from "./check.ts";
import { nodeProxyCheck } from "./node-proxy.ts";

export interface RunningCluster {
  readonly config: Config;
  readonly paths: DataPaths;
  /** Undefined before the first `serve`. */
  readonly cluster: Cluster | undefined;
  /** What `serve` tells; undefined while it does not run. */
  readonly status: Promise<StatusReport | undefined>;
  /** Undefined while it is not known where the Machines API listens. */
  readonly apps: Apps | undefined;
  readonly clock: Clock;
}

const NOT_RUNNING = "serve is not running";

/** What can be asked of a cluster while `serve` runs. */
export function runningChecks(running: RunningCluster): readonly Check[] {
  const whileRunning = (check: Check): Check => ({
    ...check,
    look: async (signal) =>
      (await running.status) === undefined ? skipped(NOT_RUNNING) : check.look(signal),
  });
  // `fks-node control-plane` has no roles.
  const withRole = (role: string, check: Check): Check => ({
    ...check,
    look: async (signal) => {
      const parts = (await running.status)?.parts ?? [];
      const isThere = parts.some(({ name }) => name === role);
      return isThere ? check.look(signal) : skipped(`what runs has no ${role}`);
    },
  });
  const isFly = running.config.machines === "fly";
  const checks = [
    partsCheck(running),
    readyzCheck(running),
    identityCheck(running),
    withRole("kubelet", nodesCheck(running)),
    withRole("kubelet", nodeProxyCheck(running)),
    isFly ? machinesApiCheck(running) : withRole("machines-api", machinesApiCheck(running)),
  ];
  return [portsCheck(running), ...checks.map(whileRunning)];
}

function portsCheck({ config, status }: RunningCluster): Check {
  return {
    id: "ports",
    expected: "the ports that were asked for are free, or serve's own",
    remedy: "end the process that holds it, or ask for another port",
    async look() {
      const asked = [config.machinesPort, config.statusPort].filter((port) => port !== undefined);
      if ((await status) !== undefined) return ok("serve has its ports");
      for (const port of asked) await requireFreePort({ host: "127.0.0.1", port });
      return ok(asked.length === 0 ? "serve takes free ones" : `${asked.join(", ")} free`);
    },
  };
}

function partsCheck({ status }: RunningCluster): Check {
  return {
    id: "serve.parts",
    expected: "every part of serve is ready",
    remedy: "fks-node status tells more; each part has a log in the data directory's logs",
    async look() {
      const report = await status;
      const unready = report?.unready ?? [];
      return unready.length === 0
        ? ok(`${report?.parts.length ?? 0} parts`)
        : failed(unready.map(({ name, reason }) => `${name}: ${reason}`).join("; "));
    },
  };
}

function readyzCheck({ paths, cluster }: RunningCluster): Check {
  const log = cluster?.engine === "k3s" ? "k3s" : "apiserver";
  return {
    id: "control-plane.readyz",
    expected: "the API server says that it is ready",
    remedy: `look into ${paths.logs}/${log}.log`,
    async look(signal) {
      const words = await unreadyWords(paths, signal);
      return words === undefined ? ok("ready") : failed(words);
    },
  };
}

function identityCheck({ paths, cluster, clock }: RunningCluster): Check {
  return {
    id: "control-plane.identity",
    expected: "the control plane is the one this data directory belongs to",
    remedy: "nothing is destroyed until it is: bring back the old control plane's data, or reset",
    async look(signal) {
      using client = await adminClient(paths, clock);
      if (client === undefined) return failed(`${paths.kubeconfig} is not there`);
      const objects = kubernetesClusterObjects({ client, nodes: new Map(), clock });
      const uid = await objects.clusterUid(signal);
      const known = cluster?.clusterUid;
      if (known === undefined) return ok(`${uid}, not written down yet`);
      return known === uid ? ok(uid) : failed(`it is ${uid}, the data directory's is ${known}`);
    },
  };
}

function nodesCheck({ paths, config, clock }: RunningCluster): Check {
  return {
    id: "nodes",
    expected: `a Node for each region is Ready: ${config.regions.join(", ")}`,
    remedy: `look into ${paths.logs}/kubelet.log`,
    async look(signal) {
      using client = await adminClient(paths, clock);
      if (client === undefined) return failed(`${paths.kubeconfig} is not there`);
      const nodes = await nodeReports(client, signal);
      const bad = config.regions.flatMap((region) => {
        const node = nodes.find(({ name }) => name === region);
        if (node === undefined) return [`${region} is missing`];
        return node.ready ? [] : [`${region}: ${node.reason ?? "not Ready"}`];
      });
      return bad.length === 0 ? ok(`${config.regions.length} Ready`) : failed(bad.join("; "));
    },
  };
}

function machinesApiCheck({ apps, config, paths }: RunningCluster): Check {
  const isFly = config.machines === "fly";
  return {
    id: "machines-api",
    expected: "the Machines API answers our token",
    remedy: isFly
      ? "see whether FLY_API_TOKEN is good and belongs to the organisation of --org"
      : `look into ${paths.logs}/machines-api.log`,
    async look(signal) {
      if (apps === undefined) return failed("nobody has written down where it listens");
      const list = await apps.list(signal);
      return ok(`it answers, ${list.length} ${list.length === 1 ? "App" : "Apps"}`);
    },
  };
}
