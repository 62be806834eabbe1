/** Small Kubernetes objects for end-to-end tests. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "#core/kube/pod.ts";
import type { Cluster } from "./cluster.ts";
import { WEB_IMAGE } from "./images.ts";
import { eventually } from "./process.ts";

export interface PodOptions {
  readonly namespace?: string;
  readonly spec?: object;
  readonly container?: object;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A Pod with one container `main` of the web image; options are laid over it. */
export function podOf(name: string, options: PodOptions = {}): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: options.namespace ?? "default", labels: options.labels ?? {} },
    spec: {
      terminationGracePeriodSeconds: 2,
      containers: [{ name: "main", image: WEB_IMAGE, ...options.container }],
      ...options.spec,
    },
  };
}

export function deploymentOf(name: string, replicas: number, image = WEB_IMAGE): object {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 2,
          containers: [
            { name: "main", image, resources: { limits: { cpu: "10m", memory: "16Mi" } } },
          ],
        },
      },
    },
  };
}

interface WorkloadOptions {
  readonly replicas?: number;
  /** Laid over the workload's spec, its Pods' spec, and their container. */
  readonly spec?: object;
  readonly pod?: object;
  readonly container?: object;
}

/** A workload whose Pods carry the label `app` and have one container `main` of the web image. */
export function workloadOf(
  kind: "Deployment" | "StatefulSet" | "DaemonSet",
  name: string,
  options: WorkloadOptions = {},
): object {
  const labels = { app: name };
  const { replicas } = options;
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 5,
          containers: [
            {
              name: "main",
              image: WEB_IMAGE,
              resources: { requests: { cpu: "5m", memory: "8Mi" } },
              ...options.container,
            },
          ],
          ...options.pod,
        },
      },
      ...options.spec,
    },
  };
}

/** The Pods of an app, those that are being deleted left out. */
export async function podsOf(cluster: Cluster, app: string): Promise<readonly Pod[]> {
  const { items } = await cluster.get<{ items: readonly Pod[] }>("pods", "-l", `app=${app}`);
  return items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
}

interface EventList {
  readonly items: readonly { readonly reason: string; readonly message: string }[];
}

/** The reasons of the Events about one Pod. */
export async function eventReasons(cluster: Cluster, pod: string): Promise<readonly string[]> {
  const selector = `--field-selector=involvedObject.name=${pod}`;
  const { items } = await cluster.get<EventList>("events", selector);
  return items.map(({ reason }) => reason);
}

/** Waits until `look` says yes of the Pod; a failure shows what `kubectl describe` says. */
export function podWhen(
  cluster: Cluster,
  name: string,
  look: (pod: Pod) => boolean,
  timeoutMs = 30_000,
): Promise<Pod> {
  return eventually(
    `Pod ${name}`,
    async () => {
      const pod = await cluster.get<Pod>("pod", name);
      return look(pod) ? pod : undefined;
    },
    { timeoutMs, explain: () => describe(cluster, name) },
  );
}

export const isRunning = (pod: Pod): boolean =>
  pod.status?.phase === "Running" &&
  pod.status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

/** What a restart must not change of a Pod: who it is, where it runs, since when it is Ready. */
export const lifeOf = (pod: Pod): object => ({
  name: pod.metadata.name,
  uid: pod.metadata.uid,
  podIP: pod.status?.podIP,
  phase: pod.status?.phase,
  ready: pod.status?.conditions?.find(({ type }) => type === "Ready"),
  containers: pod.status?.containerStatuses?.map(({ containerID, restartCount, state }) => ({
    containerID,
    restartCount,
    state,
  })),
});

/** The processes of this cluster's containers on this host. */
export function containerPids({ dataDir }: Cluster): readonly number[] {
  const { networkId } = JSON.parse(readFileSync(join(dataDir, "cluster.json"), "utf8"));
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && cgroupOf(name).includes(`fks-${networkId}`))
    .map(Number)
    .toSorted((a, b) => a - b);
}

function cgroupOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8");
  } catch {
    return ""; // Gone while we looked.
  }
}

/** What the web image answers at this address, once it listens: a Pod is Ready when it has started. */
export function pageOf(address: string | undefined): Promise<string> {
  return eventually(`${address} answers`, async () => {
    const answer = await fetch(`http://[${address}]:8080/`, { signal: AbortSignal.timeout(5_000) });
    return answer.text();
  });
}

/** Waits until the Pod's object is gone. */
export async function podGone(cluster: Cluster, name: string, timeoutMs = 30_000): Promise<void> {
  await eventually(
    `Pod ${name} is gone`,
    async () => {
      const { exitCode, stderr } = await cluster.tryKubectl(["get", "pod", name]);
      return exitCode !== 0 && stderr.includes("NotFound") ? true : undefined;
    },
    { timeoutMs, explain: () => describe(cluster, name) },
  );
}

async function describe(cluster: Cluster, name: string): Promise<string> {
  const { stdout, stderr } = await cluster.tryKubectl(["describe", "pod", name]);
  return `${stdout}${stderr}`;
}
