import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { Pod } from "#core/kube/pod.ts";
import { type Clock, sleep } from "#core/ports/clock.ts";
import type { ClusterObjects } from "#core/ports/cluster.ts";
import type { KubernetesClient } from "./client.ts";
import { type Decode, decoderOf } from "./decode.ts";
import { claimFrom, volumeFrom } from "./volume-codec.ts";

/** How often, and after how long, a Node asks again for what a Pod just given to it needs. */
const LAG_RETRIES_MS = [50, 100, 200, 400];

const stringMap = z.record(z.string(), z.string());

const uidFrom = decoderOf(z.object({ metadata: z.object({ uid: z.string() }) }), "Namespace");
/** UID and version: an object made anew may start with an old version's number. */
const versioned = z
  .object({ uid: z.string(), resourceVersion: z.string() })
  .transform(({ uid, resourceVersion }) => `${uid}/${resourceVersion}`);
const configMapFrom = decoderOf(
  z
    .object({
      metadata: versioned,
      data: stringMap.default({}),
      binaryData: stringMap.default({}),
      immutable: z.boolean().default(false),
    })
    .transform(({ metadata: version, data, binaryData, immutable: isImmutable }) => ({
      data: new Map(Object.entries(data)),
      binaryData: new Map(Object.entries(binaryData)),
      version,
      isImmutable,
    })),
  "ConfigMap",
);
const secretFrom = decoderOf(
  z
    .object({
      metadata: versioned,
      type: z.string().default("Opaque"),
      data: stringMap.default({}),
      immutable: z.boolean().default(false),
    })
    .transform(({ metadata: version, type, data, immutable: isImmutable }) => ({
      type,
      data: new Map(Object.entries(data)),
      version,
      isImmutable,
    })),
  "Secret",
);
const serviceFrom = decoderOf(
  z
    .object({
      metadata: z.object({ name: z.string() }),
      spec: z.object({
        clusterIP: z.string().default(""),
        ports: z
          .array(
            z.object({
              name: z.string().optional(),
              port: z.number(),
              protocol: z.string().optional(),
            }),
          )
          .default([]),
      }),
    })
    .transform(({ metadata: { name }, spec }) => ({ name, ...spec })),
  "Service",
);
const tokenRequestFrom = decoderOf(
  z.object({ status: z.object({ token: z.string(), expirationTimestamp: z.string() }) }),
  "TokenRequest",
);

export interface KubernetesClusterObjectsOptions {
  /** The fks-node identity. */
  readonly client: KubernetesClient;
  /** By Node name: a Pod's token, Secrets and ConfigMaps are given to the Node it runs on. */
  readonly nodes: ReadonlyMap<string, KubernetesClient>;
  readonly clock: Clock;
}

/** What a Pod's translation asks the API server. Nothing is remembered. */
export function kubernetesClusterObjects(options: KubernetesClusterObjectsOptions): ClusterObjects {
  const { client, nodes, clock } = options;
  const nodeOf = ({ metadata, spec }: Pod): KubernetesClient => {
    const node = nodes.get(spec.nodeName ?? "");
    if (node !== undefined) return node;
    throw new FksError("Forbidden", `the Pod "${metadata.name}" runs on no Node of ours`);
  };
  const asNode = async <T>(
    pod: Pod,
    path: string,
    decode: Decode<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> => {
    const node = nodeOf(pod);
    return despiteLag(() => unlessNotFound(() => node.get(path, decode, signal)), clock, signal);
  };
  const ofPod = async <T>(
    pod: Pod,
    name: string,
    decode: Decode<T>,
    signal: AbortSignal,
  ): Promise<T | undefined> =>
    asNode(pod, `${namespacePath(pod.metadata.namespace)}/${name}`, decode, signal);

  return {
    async clusterUid(signal) {
      const { metadata } = await client.get(namespacePath("kube-system"), uidFrom, signal);
      return metadata.uid;
    },
    configMap: (pod, name, signal) => ofPod(pod, `configmaps/${name}`, configMapFrom, signal),
    secret: (pod, name, signal) => ofPod(pod, `secrets/${name}`, secretFrom, signal),
    claim: (pod, name, signal) => ofPod(pod, `persistentvolumeclaims/${name}`, claimFrom, signal),
    persistentVolume: (pod, name, signal) =>
      asNode(pod, `/api/v1/persistentvolumes/${name}`, volumeFrom, signal),
    async services(inNamespace, signal) {
      // The API server answers from its memory: Pods come in bursts, Services do not.
      const query = { resourceVersion: "0" };
      const path = `${namespacePath(inNamespace)}/services`;
      return (await client.list(path, query, serviceFrom, signal)).items;
    },
    async podToken(pod, { audience, expirationSeconds }, signal) {
      const { name, uid } = pod.metadata;
      const account = pod.spec.serviceAccountName ?? "default";
      const node = nodeOf(pod);
      const body = {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          audiences: audience === undefined ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
        },
      };
      const path = `${namespacePath(pod.metadata.namespace)}/serviceaccounts/${account}/token`;
      const ask = () => node.create(path, body, tokenRequestFrom, signal);
      const { status } = await despiteLag(ask, clock, signal);
      return { token: status.token, expiresAt: status.expirationTimestamp };
    },
  };
}

function namespacePath(name: string): string {
  return `/api/v1/namespaces/${name}`;
}

async function unlessNotFound<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (FksError.is(error, "NotFound")) return undefined;
    throw error;
  }
}

/**
 * Asks again after `Forbidden`, for less than a second: the API server judges by a copy of its own,
 * which learns a little later than our watch which Node a Pod is on.
 */
async function despiteLag<T>(ask: () => Promise<T>, clock: Clock, signal: AbortSignal): Promise<T> {
  for (const delayMs of LAG_RETRIES_MS) {
    try {
      return await ask();
    } catch (error) {
      if (!FksError.is(error, "Forbidden")) throw error;
      await sleep(clock, delayMs, signal);
    }
  }
  return ask();
}
