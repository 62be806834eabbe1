import { join } from "node:path";
import { z } from "zod";
import { writeFile } from "#adapters/host/files.ts";
import { portChoice } from "#adapters/host/ports.ts";
import { ownMetrics } from "#adapters/status/own-metrics.ts";
import { type RoleClient, roleClient } from "#adapters/status/role-client.ts";
import { serveStatus } from "#adapters/status/server.ts";

import type { Clock } from "#core/ports/clock.ts";
import { mergeMetrics } from "#core/status/metrics.ts";
import {
  type ClusterReport,
  type ControlPlaneReport,
  type NodeReport,
  statusReportFor,
  unreadyPartsOf,
} from "#core/status/report.ts";
import type { Supervisor } from "#core/supervisor/supervisor.ts";
import type { DatastoreWatch } from "#embedded/control-plane/datastore/watch.ts";
import { type ControlPlane, serverUrl } from "#embedded/control-plane/engine.ts";
import packageJson from "../package.json";
import { readCluster } from "./cluster.ts";
import { adminClient, nodeReports } from "./cluster-client.ts";
import type { Config } from "./config.ts";
import { controlPlanePlanFor } from "./control-plane.ts";
import { proofFor } from "./engine-proof.ts";
import { type DataPaths, roleSocketFor } from "./paths.ts";
import { ensureToken, readToken } from "./tokens.ts";

const HOST = "127.0.0.1";
const FIRST_PORT = 4290;
const NODES_TIMEOUT_MS = 1_000;
const ROLES = ["machines-api", "kubelet", "cloud-controller", "dns", "proxy"] as const;

interface StatusApiOptions {
  readonly config: Config;
  readonly paths: DataPaths;
  readonly children: Supervisor;
  readonly controlPlane: ControlPlane;
  readonly datastore: DatastoreWatch;
  readonly clock: Clock;
}

/** What the kubelet role tells of itself on its socket. */
const kubeletSchema = z.object({ pods: z.number() });

/**
 * Starts the status API of `serve`: on a unix socket, and with a token on loopback.
 * Resolves with its URL. Throws `Conflict` when the port that was asked for is taken.
 */
export async function startStatus(options: StatusApiOptions, signal: AbortSignal): Promise<string> {
  const { config, paths, children, controlPlane, datastore, clock } = options;
  const startedAtMs = clock.now();
  const roles = roleClient(clock);
  const own = ownMetrics({
    version: packageJson.version,
    children: () => children.report(),
    datastore: () => datastore.report(),
  });
  const tokenFile = statusTokenFor(paths);
  await ensureToken(tokenFile);

  const { url } = serveStatus(
    {
      socketPath: statusSocketFor(paths),
      listen: await portChoice({ host: HOST, wanted: config.statusPort, first: FIRST_PORT }),
      token: await readToken(tokenFile),
      unready: () => unreadyPartsOf(children.report()),
      async report(asked) {
        const [cluster, nodes, pods, machines] = await Promise.all([
          clusterReport(config, paths),
          nodesOf(paths, clock, asked),
          podsOf(roles, paths, asked),
          machinesOf(roles, paths, asked),
        ]);
        return statusReportFor({
          version: packageJson.version,
          cluster,
          controlPlane: controlPlaneReport(controlPlane),
          datastore: datastore.report(),
          startedAtMs,
          nowMs: clock.now(),
          children: children.report(),
          nodes,
          pods,
          machines,
        });
      },
      async metrics(asked) {
        const texts = ROLES.map(async (part) => ({
          part,
          text: await roles.metrics(roleSocketFor(paths, part), asked),
        }));
        const serve = { part: "serve", text: await own.text() };
        return mergeMetrics([serve, ...(await Promise.all(texts))]);
      },
    },
    signal,
  );
  await writeFile(paths.statusFile, `${JSON.stringify({ url })}\n`);
  return url;
}

/** Where `serve` tells how it is, for its owner alone. */
export function statusSocketFor(paths: DataPaths): string {
  return join(paths.run, "status.sock");
}

/** The token for the status API on loopback. */
function statusTokenFor(paths: DataPaths): string {
  return join(paths.dataDir, "tokens/status");
}

async function clusterReport(config: Config, paths: DataPaths): Promise<ClusterReport> {
  const cluster = await readCluster(paths);
  const { name, networkId, clusterUid } = cluster;
  return {
    name,
    networkId,
    ...(clusterUid !== undefined && { clusterUid }),
    machines: config.machines,
    runtime: config.runtime,
    dataDir: paths.dataDir,
    api: serverUrl(controlPlanePlanFor(cluster)),
  };
}

function controlPlaneReport({ engine, version, program }: ControlPlane): ControlPlaneReport {
  return { engine, version, program, proof: proofFor({ engine, version }) };
}

/** The Nodes as the API server has them; none while it cannot be asked. */
async function nodesOf(
  paths: DataPaths,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly NodeReport[]> {
  try {
    using client = await adminClient(paths, clock);
    const deadline = AbortSignal.any([signal, clock.timeout(NODES_TIMEOUT_MS)]);
    return client === undefined ? [] : await nodeReports(client, deadline);
  } catch {
    // What is wrong with the API server is told of its own part.
    return [];
  }
}

async function podsOf(
  roles: RoleClient,
  paths: DataPaths,
  signal: AbortSignal,
): Promise<number | undefined> {
  const details = await roles.details(roleSocketFor(paths, "kubelet"), signal);
  return kubeletSchema.safeParse(details).data?.pods;
}

/** The embedded Machines API counts its Machines in its metrics. */
async function machinesOf(
  roles: RoleClient,
  paths: DataPaths,
  signal: AbortSignal,
): Promise<Readonly<Record<string, number>> | undefined> {
  const text = await roles.metrics(roleSocketFor(paths, "machines-api"), signal);
  if (text === "") return undefined;
  const counts = text.matchAll(/^fks_machines_api_machines\{state="([a-z_]+)"\} (\d+)$/gm);
  return Object.fromEntries([...counts].map(([, state = "", count]) => [state, Number(count)]));
}
