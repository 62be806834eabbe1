import { z } from "zod";
import type { KubernetesClient } from "#adapters/kubernetes/client.ts";
import { decoderOf } from "#adapters/kubernetes/decode.ts";
import { keptIdentity } from "#adapters/kubernetes/identities.ts";
import { identityFolder } from "#adapters/kubernetes/identity-store.ts";
import { applyRights, type Rights } from "#adapters/kubernetes/rights.ts";
import { type SigningOrder, signedKeyPair } from "#adapters/kubernetes/signing.ts";
import { checkClusterUid } from "./cluster.ts";
import { adminAccess, clientFor } from "./cluster-client.ts";
import type { Role } from "./role.ts";
import { untilThere } from "./until-there.ts";

/** The API server as one role sees it. */
export interface RoleAccess {
  readonly client: KubernetesClient;
  readonly clusterUid: string;
  /** PEM of the CA that signs what servers of the cluster show. */
  readonly serverCa: string;
  /** Renews the identity in time, until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

const uidFrom = decoderOf(z.object({ metadata: z.object({ uid: z.string() }) }), "Namespace");
const clientCaFrom = decoderOf(
  z.object({ data: z.object({ "client-ca-file": z.string() }) }),
  "ConfigMap",
);
const KUBE_SYSTEM = "/api/v1/namespaces/kube-system";

/**
 * Waits for the API server, makes sure that it is this data directory's own, and gets the identity
 * `rights.user`, which may do exactly what `rights` say. Throws `Conflict` when the cluster is
 * another one.
 */
export async function roleAccess(
  { paths, clock, log }: Role,
  rights: Rights,
  { waiting }: { readonly waiting: (reason: string) => void },
  signal: AbortSignal,
): Promise<RoleAccess> {
  const patiently = <T>(what: string, attempt: () => Promise<T>): Promise<T> =>
    untilThere({ what, waiting, clock, log }, attempt, signal);
  // The administrator's certificate may have been renewed since the last time.
  const asAdmin = async <T>(work: (admin: KubernetesClient) => Promise<T>): Promise<T> => {
    const access = await adminAccess(paths.kubeconfig);
    const admin = clientFor(access, () => access.credentials, clock);
    try {
      return await work(admin);
    } finally {
      admin.close();
    }
  };

  const clusterUid = await patiently("the API server", () =>
    asAdmin(async (admin) => (await admin.get(KUBE_SYSTEM, uidFrom, signal)).metadata.uid),
  );
  await checkClusterUid(paths, clusterUid);
  await patiently("our rights", () => asAdmin((admin) => applyRights(admin, rights, signal)));
  const authorities = await patiently("the client CA", () =>
    asAdmin(async (admin) => {
      const path = `${KUBE_SYSTEM}/configmaps/extension-apiserver-authentication`;
      return (await admin.get(path, clientCaFrom, signal)).data["client-ca-file"];
    }),
  );

  const order: SigningOrder = {
    signer: "kubernetes.io/kube-apiserver-client",
    subject: { commonName: rights.user, addresses: [] },
  };
  const identity = await patiently(`the identity ${rights.user}`, () =>
    keptIdentity(
      { name: rights.user, order, authorities },
      {
        store: identityFolder(paths.identities),
        sign: (wanted, within) =>
          asAdmin((client) => signedKeyPair(wanted, { client, clock }, within)),
        clock,
        log,
      },
      signal,
    ),
  );
  const access = await adminAccess(paths.kubeconfig);
  return {
    client: clientFor(access, () => identity.current(), clock),
    clusterUid,
    serverCa: access.ca ?? "",
    run: (running) => identity.run(running),
  };
}
