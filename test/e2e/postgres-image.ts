/** PostgreSQL as Debian's package installed it here, on top of busybox: nothing is fetched. */
import { existsSync, globSync, lstatSync, readFileSync } from "node:fs";
import { busyboxRoot } from "#scripts/busybox-root.ts";
import { builtImage, type LayerSpec } from "#scripts/image-archive.ts";
import type { TarEntry } from "#scripts/tar-writer.ts";
import type { Cluster } from "./cluster.ts";
import { loadBuilt } from "./images.ts";
import { succeed } from "./process.ts";

export const POSTGRES_IMAGE = "fks-test/postgres:1";

/** The user whose files they are; PostgreSQL refuses to be root. */
export const POSTGRES_UID = 999;

const [HOME] = globSync("/usr/lib/postgresql/*").toSorted().toReversed();
const VERSION = HOME?.split("/").at(-1) ?? "";

/** Why it cannot be tried here. */
export const POSTGRES_MISSING =
  HOME !== undefined && existsSync(`${HOME}/bin/postgres`)
    ? undefined
    : "needs Debian's package postgresql";

const PASSWD = `root:x:0:0:root:/root:/bin/sh\npostgres:x:${POSTGRES_UID}:${POSTGRES_UID}::/data:/bin/sh\n`;
/** Not needed to run queries, and half of the package. */
const LEFT_OUT = /llvmjit|\/bitcode\/|\/man\/|\/locale\/|\.pgdg|_pgxs|\/pgxs\//;

/** What the image's environment says, for those that hold its layers too. */
export const POSTGRES_ENV = [`PATH=${HOME}/bin:/bin`, "PGDATA=/data/pg", "LC_ALL=C"];

/** Builds the image and loads it into the cluster. */
export async function loadPostgres(cluster: Cluster): Promise<void> {
  const image = builtImage({
    reference: POSTGRES_IMAGE,
    config: { Env: POSTGRES_ENV, Cmd: ["/bin/sh", "/bin/serve-postgres"] },
    layers: await postgresLayers(),
  });
  await loadBuilt(cluster, image);
}

/** busybox, and the package with all it loads. */
export async function postgresLayers(): Promise<readonly LayerSpec[]> {
  const packages = [`postgresql-${VERSION}`, `postgresql-client-${VERSION}`];
  const listed = (await succeed(["dpkg", "-L", ...packages])).split("\n");
  const files = listed.filter(
    (path) =>
      /^\/usr\/(?:lib|share)\/postgresql\//.test(path) &&
      !LEFT_OUT.test(path) &&
      lstatSync(path).isFile(),
  );
  const programs = files.filter((path) => path.includes("/bin/") || path.endsWith(".so"));
  const libraries = await librariesOf(programs);
  return [
    { entries: busyboxRoot() },
    {
      entries: [
        ...[...files, ...libraries].map(entryOf),
        { path: "etc/passwd", content: PASSWD },
        { path: "bin/serve-postgres", content: SERVE, mode: 0o755 },
      ],
    },
  ];
}

/** A new volume gets a database; one that is there is served as it is. */
const SERVE = `set -e
test -s $PGDATA/PG_VERSION || initdb -A trust -U postgres > /tmp/initdb
exec postgres -c unix_socket_directories=/tmp -c listen_addresses=''
`;

/** What the dynamic linker loads with these programs. */
async function librariesOf(programs: readonly string[]): Promise<readonly string[]> {
  const told = await succeed(["ldd", ...programs]);
  const paths = [...told.matchAll(/(?:=> |^\t)(\/\S+) \(0x/gm)].map(([, path = ""]) => path);
  return [...new Set(paths)];
}

function entryOf(path: string): TarEntry {
  const isProgram = path.includes("/bin/") || path.includes(".so");
  return { path: path.slice(1), content: readFileSync(path), mode: isProgram ? 0o755 : 0o644 };
}
