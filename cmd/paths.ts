import { join } from "node:path";

/** Where everything of a data directory is. */
export interface DataPaths {
  readonly dataDir: string;
  readonly clusterFile: string;
  /** The administrator's, for people and for `fks-node kubectl`. */
  readonly kubeconfig: string;
  readonly pki: string;
  /** The datastore of the upstream parts. */
  readonly kineDatabase: string;
  /** K3s' data directory, and the token its datastore is locked with. */
  readonly k3s: string;
  readonly k3sToken: string;
  readonly identities: string;
  readonly machinesApiToken: string;
  readonly machineProtocolToken: string;
  readonly machines: string;
  readonly machinesDatabase: string;
  readonly images: string;
  /** One folder for each embedded Machine. */
  readonly machineFolders: string;
  /** Profiles that Pods may name, put there by people. */
  readonly seccomp: string;
  /** One folder for each volume of the embedded Machines API. */
  readonly volumes: string;
  readonly run: string;
  /** `{"url": …}` once the embedded Machines API listens. */
  readonly machinesApiFile: string;
  /** Which control plane runs here, or ran last. */
  readonly controlPlaneFile: string;
  /** `{"url": …}` once the status API listens. */
  readonly statusFile: string;
  readonly childrenFile: string;
  readonly logs: string;
}

export function dataPathsFor(dataDir: string): DataPaths {
  const run = join(dataDir, "run");
  return {
    dataDir,
    clusterFile: join(dataDir, "cluster.json"),
    kubeconfig: join(dataDir, "kubeconfig"),
    pki: join(dataDir, "pki"),
    kineDatabase: join(dataDir, "kine/state.db"),
    k3s: join(dataDir, "k3s"),
    k3sToken: join(dataDir, "tokens/k3s"),
    identities: join(dataDir, "identities"),
    machinesApiToken: join(dataDir, "tokens/machines-api"),
    machineProtocolToken: join(dataDir, "tokens/machine-protocol"),
    machines: join(dataDir, "machines"),
    machinesDatabase: join(dataDir, "machines/machines.db"),
    images: join(dataDir, "machines/images"),
    machineFolders: join(dataDir, "machines/m"),
    seccomp: join(dataDir, "seccomp"),
    volumes: join(dataDir, "machines/volumes"),
    run,
    machinesApiFile: join(run, "machines-api.json"),
    controlPlaneFile: join(run, "control-plane.json"),
    statusFile: join(run, "status.json"),
    childrenFile: join(run, "children.json"),
    logs: join(dataDir, "logs"),
  };
}

/** The socket on which a role tells how it is. */
export function roleSocketFor(paths: DataPaths, role: string): string {
  return join(paths.run, `${role}.sock`);
}
