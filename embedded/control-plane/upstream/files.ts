import { join } from "node:path";

/** A certificate or key pair below the PKI folder. */
export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
}

export const CA_NAMES = ["server-ca", "client-ca", "request-header-ca"] as const;
export const LEAF_NAMES = [
  "apiserver",
  "apiserver-kubelet-client",
  "controller-manager",
  "scheduler",
  "front-proxy-client",
  "admin",
] as const;

export type CaName = (typeof CA_NAMES)[number];
export type LeafName = (typeof LEAF_NAMES)[number];

/** Where the control plane's certificates, keys and kubeconfigs are. */
export interface PkiFiles {
  /**
   * `server-ca` signs what servers show, kubelets included; `client-ca` who may call the API;
   * `request-header-ca` who may speak for others.
   */
  pair(name: CaName | LeafName): KeyPairFiles;
  readonly serviceAccountKey: string;
  readonly serviceAccountPublicKey: string;
  kubeconfig(name: "controller-manager" | "scheduler"): string;
}

export function pkiFilesIn(folder: string): PkiFiles {
  return {
    pair: (name) => ({ cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) }),
    serviceAccountKey: join(folder, "service-account.key"),
    serviceAccountPublicKey: join(folder, "service-account.pub"),
    kubeconfig: (name) => join(folder, `${name}.kubeconfig`),
  };
}
