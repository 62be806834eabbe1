import { join } from "node:path";

/** Where everything is in K3s' data directory: what is ours there, and what we read of K3s'. */
export interface K3sFiles {
  readonly folder: string;
  /** Ours: the one configuration file K3s reads. */
  readonly config: string;
  /** Ours: HOME of the process, so that it finds nothing of anybody's and leaves nothing there. */
  readonly home: string;
  /** A kubeconfig that K3s writes before its API answers; nobody reads it. */
  readonly kubeconfig: string;
  /** K3s' own copy of the token, with the hash of its CA: `K10<hash>::server:<secret>`. */
  readonly token: string;
  /** SQLite; `-wal` and `-shm` lie beside it. */
  readonly database: string;
  /** Folder of certificates and keys. */
  readonly tls: string;
  /** Signs what servers show, kubelets included. */
  readonly serverCa: string;
  /** Signs who may call the API. */
  readonly clientCa: string;
  /** The administrator's certificate. */
  readonly admin: { readonly cert: string; readonly key: string };
  /** Folder of objects that K3s applies by itself. */
  readonly manifests: string;
  /** Folder of what K3s unpacked of itself: a folder for each release, named by a hash. */
  readonly unpacked: string;
}

/** The files of a K3s with this data directory. Pure. */
export function k3sFilesIn(folder: string): K3sFiles {
  const tls = join(folder, "server/tls");
  return {
    folder,
    config: join(folder, "config.yaml"),
    home: join(folder, "home"),
    kubeconfig: join(folder, "k3s.yaml"),
    token: join(folder, "server/token"),
    database: join(folder, "server/db/state.db"),
    tls,
    serverCa: join(tls, "server-ca.crt"),
    clientCa: join(tls, "client-ca.crt"),
    admin: { cert: join(tls, "client-admin.crt"), key: join(tls, "client-admin.key") },
    manifests: join(folder, "server/manifests"),
    unpacked: join(folder, "data"),
  };
}
