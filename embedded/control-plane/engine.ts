import type { ChildSpec } from "#core/supervisor/child.ts";

/** What can be a control plane here. One is chosen at the first start of a data directory. */
export const ENGINE_NAMES = ["k3s", "upstream"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Where a control plane listens unless that is taken. */
export const API_SERVER_PORT = 6443;

/** What a cluster wants of its control plane, whichever engine it is. */
export interface ControlPlanePlan {
  /** Name of the cluster, for labels and nothing else. */
  readonly clusterName: string;
  /** The address, of this cluster alone, on which the API listens; it has to exist. */
  readonly address: string;
  readonly port: number;
  readonly serviceRange: string;
}

/** A control plane with everything in place to be kept alive: the same to know of either engine. */
export interface ControlPlane {
  readonly engine: EngineName;
  /** As its executable tells it: `v1.36.3`, `v1.36.4+k3s1`. */
  readonly version: string;
  /** The executable. With `kubectl` as its first argument it is one. */
  readonly program: string;
  /** Base URL of the API server. */
  readonly server: string;
  readonly children: readonly ChildSpec[];
  /** The child after whose first readiness the API answers everything. */
  readonly apiChild: string;
  /** The child that serves the datastore, and whose log tells of it. */
  readonly databaseChild: string;
  /** Its file, SQLite. */
  readonly database: string;
  /** Files of the administrator's certificate, and of the CA that signs what servers show. */
  readonly admin: { readonly ca: string; readonly cert: string; readonly key: string };
  /** To be called now and then while it runs: certificates are renewed long before they end. */
  upkeep(): Promise<Upkeep>;
}

export interface Upkeep {
  /** Certificates were issued; readers of `admin` have to read again. */
  readonly renewed: boolean;
  /** A child that only a restart renews, and why. */
  readonly restart?: { readonly child: string; readonly reason: string };
}

/** Base URL of an API server on an IPv6 address. */
export function serverUrl({ address, port }: Pick<ControlPlanePlan, "address" | "port">): string {
  return `https://[${address}]:${port}`;
}
