import { z } from "zod";
import type { KubernetesClient } from "#adapters/kubernetes/client.ts";
import { decoderOf } from "#adapters/kubernetes/decode.ts";
import {
  type IdentityDeps,
  type KeptIdentity,
  keptIdentity,
} from "#adapters/kubernetes/identities.ts";
import { identityFolder } from "#adapters/kubernetes/identity-store.ts";
import { METRICS_SERVICE_NAME } from "#adapters/kubernetes/metrics-service.ts";
import { nodeFrom } from "#adapters/kubernetes/nodes.ts";
import { applyRbac, FKS_NODE_USER } from "#adapters/kubernetes/rbac.ts";
import { type SigningOrder, signedKeyPair } from "#adapters/kubernetes/signing.ts";
import { FksError } from "#core/errors.ts";
import type { Node } from "#core/kube/node.ts";
import { refusalToTakeOver } from "#core/node/node.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { RequestHeaderRules } from "#core/ports/reviews.ts";
import { adminAccess, clientFor } from "./cluster-client.ts";
import { untilThere } from "./until-there.ts";

/** The API server seen with each of our identities. */
export interface ClusterAccess {
  readonly clusterUid: string;
  /** Of the control plane: `v1.36.3`. */
  readonly version: string;
  /** PEM of the CA that signs the certificates of the API server's callers, and of ours. */
  readonly clientCa: string;
  /** PEM of the CA that signs what servers of the cluster show, ours too. */
  readonly serverCa: string;
  /** How the API server says whom it speaks for. */
  readonly requestHeader: RequestHeaderRules;
  /** Gets what the metrics API shows to callers; `run` of it is the caller's to start. */
  metricsServing(signal: AbortSignal): Promise<KeptIdentity>;
  /** The fks-node identity. */
  readonly client: KubernetesClient;
  /** By Node name, each with the Node's own identity. */
  readonly nodes: ReadonlyMap<string, KubernetesClient>;
  /** By Node name: what its kubelet API shows to callers. */
  readonly serving: ReadonlyMap<string, KeptIdentity>;
  /** Renews every identity in time, until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface AccessOptions {
  /** The administrator's; it is read again whenever it is needed. */
  readonly kubeconfig: string;
  readonly identities: string;
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
  /** The cluster this data directory belongs to, once known. Throws `Conflict` for another one. */
  readonly checkCluster: (clusterUid: string) => Promise<void>;
  /** What is being waited for, for people. */
  readonly waiting: (reason: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

const versionFrom = decoderOf(z.object({ gitVersion: z.string() }), "version");
const uidFrom = decoderOf(z.object({ metadata: z.object({ uid: z.string() }) }), "Namespace");
const list = z
  .string()
  .default("[]")
  .transform((text) => z.array(z.string()).parse(JSON.parse(text)));
const authenticationFrom = decoderOf(
  z.object({
    data: z.object({
      "client-ca-file": z.string(),
      "requestheader-client-ca-file": z.string().default(""),
      "requestheader-allowed-names": list,
      "requestheader-username-headers": list,
      "requestheader-group-headers": list,
      "requestheader-extra-headers-prefix": list,
    }),
  }),
  "ConfigMap",
);
const AUTHENTICATION =
  "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

/**
 * Waits for the API server, makes sure that it is this data directory's own, and gets every
 * identity we act with. Throws `Conflict` when the cluster or a Node's name is somebody else's.
 */
export async function clusterAccess(
  options: AccessOptions,
  signal: AbortSignal,
): Promise<ClusterAccess> {
  const { clock, log, nodes } = options;
  const patiently = <T>(what: string, attempt: () => Promise<T>): Promise<T> =>
    untilThere({ what, waiting: options.waiting, clock, log }, attempt, signal);

  const admin = await patiently("the API server", async () => {
    const access = await adminAccess(options.kubeconfig);
    const client = clientFor(access, () => access.credentials, clock);
    const { gitVersion } = await client.get("/version", versionFrom, signal);
    return { access, client, version: gitVersion };
  });
  const clusterUid = await patiently("the cluster's identity", async () => {
    const path = "/api/v1/namespaces/kube-system";
    return (await admin.client.get(path, uidFrom, signal)).metadata.uid;
  });
  await options.checkCluster(clusterUid);
  await patiently("our rights", () => applyRbac(admin.client, signal));
  const { data } = await patiently("the client CA", () =>
    admin.client.get(AUTHENTICATION, authenticationFrom, signal),
  );
  const clientCa = data["client-ca-file"];
  const serverCa = admin.access.ca ?? "";

  const deps = { store: identityFolder(options.identities), clock, log };
  const get = (
    name: string,
    order: SigningOrder,
    authorities: string,
    sign: IdentityDeps["sign"],
  ) =>
    patiently(`the identity ${name}`, () =>
      keptIdentity({ name, order, authorities }, { ...deps, sign }, signal),
    );

  const own = await get("fks-node", OWN, clientCa, async (order, within) => {
    // The administrator's certificate may have been renewed since we started.
    const access = await adminAccess(options.kubeconfig);
    const client = clientFor(access, () => access.credentials, clock);
    return signedKeyPair(order, { client, clock }, within);
  });
  const client = clientFor(admin.access, () => own.current(), clock);
  const sign: IdentityDeps["sign"] = (order, within) =>
    signedKeyPair(order, { client, clock }, within);

  const held = await Promise.all(
    nodes.map(async ({ name, address }) => {
      await patiently(`the Node ${name}`, () => refuseForeign(name, client, signal));
      const node = await get(`node-${name}`, nodeOrder(name), clientCa, sign);
      const serving = servingOrder(name, address);
      return {
        name,
        node,
        serving: await get(`serving-${name}`, serving, serverCa, sign),
      };
    }),
  );
  const all = [own, ...held.flatMap(({ node, serving }) => [node, serving])];
  return {
    clusterUid,
    version: admin.version,
    clientCa,
    serverCa,
    requestHeader: {
      ca: data["requestheader-client-ca-file"],
      allowedNames: data["requestheader-allowed-names"],
      userHeaders: data["requestheader-username-headers"],
      groupHeaders: data["requestheader-group-headers"],
      extraPrefixes: data["requestheader-extra-headers-prefix"],
    },
    metricsServing: (within) => {
      const spec = { name: "serving-metrics", order: metricsOrder(nodes), authorities: serverCa };
      return keptIdentity(spec, { ...deps, sign }, within);
    },
    client,
    nodes: new Map(
      held.map(({ name, node }) => [name, clientFor(admin.access, () => node.current(), clock)]),
    ),
    serving: new Map(held.map(({ name, serving }) => [name, serving])),
    run: async (running) => {
      await Promise.all(all.map((identity) => identity.run(running)));
    },
  };
}

const OWN: SigningOrder = {
  signer: "kubernetes.io/kube-apiserver-client",
  subject: { commonName: FKS_NODE_USER, addresses: [] },
};

function nodeOrder(name: string): SigningOrder {
  const subject = {
    commonName: `system:node:${name}`,
    organization: "system:nodes",
    addresses: [],
  };
  return { signer: "kubernetes.io/kube-apiserver-client-kubelet", subject };
}

/** The signer of kubelets' certificates asks for a Node's name; callers look for the Service's. */
function metricsOrder(nodes: AccessOptions["nodes"]): SigningOrder {
  const { subject } = nodeOrder(nodes[0]?.name ?? "");
  const names = [METRICS_SERVICE_NAME];
  return { signer: "kubernetes.io/kubelet-serving", subject: { ...subject, names } };
}

function servingOrder(name: string, address: string): SigningOrder {
  const { subject } = nodeOrder(name);
  return {
    signer: "kubernetes.io/kubelet-serving",
    subject: { ...subject, addresses: [address] },
  };
}

/** Never become a Node that another kubelet already is. */
async function refuseForeign(
  name: string,
  client: KubernetesClient,
  signal: AbortSignal,
): Promise<void> {
  let node: Node | undefined;
  try {
    node = await client.get(`/api/v1/nodes/${name}`, nodeFrom, signal);
  } catch (error) {
    if (!FksError.is(error, "NotFound")) throw error;
  }
  const refusal = refusalToTakeOver(node);
  if (refusal !== undefined) throw new FksError("Conflict", refusal);
}
