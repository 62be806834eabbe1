/** A guestbook of several tiers: its images, and the objects one would write for it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { programEntries } from "#scripts/conformance/debian.ts";
import { builtImage, type LayerSpec } from "#scripts/image-archive.ts";
import { REDIS } from "#scripts/redis.ts";
import type { Cluster } from "./cluster.ts";
import { loadBuilt } from "./images.ts";
import { workloadOf } from "./objects.ts";
import {
  POSTGRES_ENV,
  POSTGRES_IMAGE,
  POSTGRES_MISSING,
  POSTGRES_UID,
  postgresLayers,
} from "./postgres-image.ts";

/** Also a client of both databases. */
export const GUESTBOOK_IMAGE = "fks-test/guestbook:1";
const REDIS_IMAGE = "fks-test/redis:1";
export const NAMESPACE = "guestbook";

const hasRedis = ["/usr/bin", join(REDIS.folder, "usr/bin")].some((folder) =>
  existsSync(join(folder, "redis-server")),
);

/** Why it cannot be tried here. */
export const GUESTBOOK_MISSING =
  POSTGRES_MISSING ?? (hasRedis ? undefined : "needs Debian's package redis-server");

/** Builds the images of all tiers and loads them into the cluster. */
export async function loadGuestbook(cluster: Cluster): Promise<void> {
  const postgres = await postgresLayers();
  const redis: LayerSpec = {
    entries: await programEntries(REDIS.folder, {
      "redis-server": "bin/redis-server",
      "redis-cli": "bin/redis-cli",
    }),
  };
  const config = { Env: POSTGRES_ENV };
  const pages = Object.entries(PAGES).map(([path, content]) => ({
    path: `www/cgi-bin/${path}`,
    content,
    mode: 0o755,
  }));
  await loadBuilt(
    cluster,
    builtImage({ reference: POSTGRES_IMAGE, config, layers: postgres }),
    builtImage({ reference: REDIS_IMAGE, config, layers: [...postgres.slice(0, 1), redis] }),
    builtImage({
      reference: GUESTBOOK_IMAGE,
      config: { ...config, Cmd: ["httpd", "-f", "-p", "[::]:8080", "-h", "/www"] },
      layers: [...postgres, redis, { entries: pages }],
    }),
  );
}

/** What is written goes into PostgreSQL and to Redis' leader; what is read comes from its followers. */
const PAGES = {
  entries: `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
if [ "$REQUEST_METHOD" != POST ]; then
  echo "version $VERSION"
  exec redis-cli -h redis-follower --raw lrange entries 0 -1
fi
set -e
text=$(head -c "$CONTENT_LENGTH")
echo "insert into entries (text) values (:'text')" | psql -q -v ON_ERROR_STOP=1 -v text="$text"
redis-cli -h redis-leader rpush entries "$text" > /dev/null
echo saved
`,
  archive: `#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
exec psql -At -c 'select text from entries order by id' 2>&1
`,
};

const PASSWORD = { secretKeyRef: { name: "database", key: "password" } };
const DATABASE = [
  { name: "PGHOST", value: "database.guestbook.svc.cluster.local" },
  { name: "PGUSER", value: "postgres" },
  { name: "PGCONNECT_TIMEOUT", value: "2" },
  { name: "PGPASSWORD", valueFrom: PASSWORD },
];
const TABLE = "create table if not exists entries (id serial primary key, text text not null)";

/** A new volume gets a database that asks everybody for the password. */
const SERVE = `set -e
test -s $PGDATA/PG_VERSION || {
  initdb -A scram-sha-256 -U postgres --pwfile=/secret/password > /tmp/initdb
  echo 'host all all all scram-sha-256' >> $PGDATA/pg_hba.conf
}
exec postgres -c unix_socket_directories=/tmp -c listen_addresses='*'
`;

const REDIS_SERVER = ["redis-server", "--bind", "* -::*", "--protected-mode", "no", "--save", ""];
const redisReady = {
  exec: {
    command: ["sh", "-c", "redis-cli info replication | grep -E 'role:master|link_status:up'"],
  },
  periodSeconds: 1,
};

/** All of it, the web tier in its first version. */
export function guestbook(): readonly object[] {
  return [
    {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "database" },
      stringData: { password: "not a word of it" },
    },
    serviceOf("database", 5432),
    workloadOf("StatefulSet", "database", database()),
    serviceOf("redis-leader", 6379),
    workloadOf("Deployment", "redis-leader", {
      replicas: 1,
      container: { image: REDIS_IMAGE, command: REDIS_SERVER, readinessProbe: redisReady },
    }),
    serviceOf("redis-follower", 6379),
    workloadOf("Deployment", "redis-follower", {
      replicas: 2,
      container: {
        image: REDIS_IMAGE,
        command: [...REDIS_SERVER, "--replicaof", "redis-leader 6379"],
        readinessProbe: redisReady,
      },
    }),
    serviceOf("web", 80, { type: "LoadBalancer", ports: [{ port: 80, targetPort: "http" }] }),
    workloadOf("Deployment", "web", web()),
    policyOf("everybody", {}, []),
    policyOf("web", { app: "web" }, [{ ports: [{ port: 8080 }] }]),
    policyOf("database", { app: "database" }, [admitted(5432, "web")]),
    policyOf("redis-leader", { app: "redis-leader" }, [admitted(6379, "web", "redis-follower")]),
    policyOf("redis-follower", { app: "redis-follower" }, [admitted(6379, "web")]),
  ];
}

function database(): Parameters<typeof workloadOf>[2] {
  return {
    replicas: 1,
    container: {
      image: POSTGRES_IMAGE,
      command: ["sh", "-c", SERVE],
      volumeMounts: [
        { name: "data", mountPath: "/data" },
        { name: "secret", mountPath: "/secret" },
      ],
      readinessProbe: { exec: { command: ["pg_isready", "-h", "::1"] }, periodSeconds: 1 },
      resources: { limits: { cpu: "1", memory: "256Mi" } },
    },
    pod: {
      securityContext: { runAsUser: POSTGRES_UID, runAsGroup: POSTGRES_UID, fsGroup: POSTGRES_UID },
      volumes: [{ name: "secret", secret: { secretName: "database" } }],
    },
    spec: {
      serviceName: "database",
      volumeClaimTemplates: [
        {
          metadata: { name: "data" },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
        },
      ],
    },
  };
}

function web(): Parameters<typeof workloadOf>[2] {
  const container = { image: GUESTBOOK_IMAGE, env: DATABASE };
  // Three of them at once: who comes second finds the table, or tries again.
  const until = `until psql -qc '${TABLE}'; do sleep 0.2; done`;
  return {
    replicas: 3,
    container: {
      ...container,
      env: [...DATABASE, { name: "VERSION", value: "1" }],
      ports: [{ name: "http", containerPort: 8080 }],
      readinessProbe: { httpGet: { path: "/cgi-bin/entries", port: "http" }, periodSeconds: 1 },
      // Between a Pod's leaving and everybody's knowing there is a moment.
      lifecycle: { preStop: { sleep: { seconds: 2 } } },
    },
    pod: {
      initContainers: [{ name: "table", ...container, command: ["sh", "-c", until] }],
    },
  };
}

function serviceOf(name: string, port: number, spec: object = {}): object {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name },
    spec: { selector: { app: name }, ports: [{ port }], ...spec },
  };
}

function policyOf(name: string, matchLabels: object, ingress: readonly object[]): object {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name },
    spec: { podSelector: { matchLabels }, policyTypes: ["Ingress"], ingress },
  };
}

function admitted(port: number, ...apps: readonly string[]): object {
  return {
    ports: [{ port }],
    from: apps.map((app) => ({ podSelector: { matchLabels: { app } } })),
  };
}
