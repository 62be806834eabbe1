import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostClock } from "#adapters/host/clock.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { k3sLike, sha256, testReleases } from "#test/fixtures/k3s-releases.ts";
import { findK3s, type K3sBinary } from "./find.ts";
import { type Release, releaseFor } from "./release.ts";

const VERSION = "v1.36.4+k3s1";
const UNPINNED = { version: VERSION, sha256: {} };
const RELEASE = releaseFor(UNPINNED, process.arch);
const K3S = k3sLike(VERSION, 1_000);
/** Nobody listens there. */
const NOWHERE = "http://127.0.0.1:1";
const never = new AbortController().signal;
const scratch = mkdtempSync(join(tmpdir(), "fks-find-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Host {
  readonly folder: string;
  readonly cache: string;
  readonly lines: string[];
  /** An executable on PATH. */
  readonly install: (name: string, script: string | Buffer) => string;
  /** A file of the release in the cache. */
  readonly put: (name: string, content: string | Buffer) => string;
  readonly find: (more?: Partial<Parameters<typeof findK3s>[0]>) => Promise<K3sBinary>;
}

/** A host without K3s and without a network. */
function host(): Host {
  const folder = join(scratch, crypto.randomUUID());
  const bin = join(folder, "bin");
  const cache = join(folder, "cache/fks-node/k3s", VERSION);
  const lines: string[] = [];
  mkdirSync(bin, { recursive: true });
  return {
    folder,
    cache,
    lines,
    install(name, script) {
      const path = join(bin, name);
      writeFileSync(path, script);
      chmodSync(path, 0o755);
      return path;
    },
    put(name, content) {
      mkdirSync(cache, { recursive: true });
      writeFileSync(join(cache, name), content);
      return join(cache, name);
    },
    find: (more = {}) =>
      findK3s(
        {
          releases: NOWHERE,
          dataDir: join(folder, "data/k3s"),
          env: {
            PATH: `${bin}:/usr/bin:/bin`,
            HOME: folder,
            XDG_CACHE_HOME: join(folder, "cache"),
            K3S_URL: "https://elsewhere:6443",
          },
          clock: hostClock(),
          onProgress: (line) => void lines.push(line),
          pin: UNPINNED,
          ...more,
        },
        never,
      ),
  };
}

const sumsOf = (binary: Buffer, { binary: name }: Release = RELEASE): string =>
  `${sha256(binary)}  ${name}\n`;

describe("a K3s that is named", () => {
  test("is taken, whatever else there is", async () => {
    const { install, find } = host();
    install("k3s", k3sLike("v1.37.1+k3s1"));
    const path = install("my-k3s", k3sLike("v1.35.8+k3s2"));

    expect(await find({ k3sBin: path })).toEqual({
      path,
      version: "v1.35.8+k3s2",
      source: "named",
    });
  });

  test("has to be an executable file, and nothing else is looked for", async () => {
    const { install, put, find, folder } = host();
    install("k3s", K3S);
    const text = put("notes", "hello");

    for (const path of ["/nowhere/k3s", text, folder]) {
      expect(await failureOf(find({ k3sBin: path }))).toBe(
        `NotFound: --k3s-bin names ${path}, which is not an executable file`,
      );
    }
  });

  test.each([
    ["another program", "#!/bin/sh\necho 'containerd v2.1'", '--version says "containerd v2.1"'],
    ["nothing at all", "#!/bin/sh\n", "--version says nothing"],
    [
      "a K3s that fails",
      "#!/bin/sh\necho 'fatal: no space left' >&2; echo more >&2; exit 1",
      '--version fails with 1 and says "fatal: no space left"',
    ],
  ])("is refused when it is %s", async (_, script, said) => {
    const { install, find } = host();
    const path = install("other", script);

    expect(await failureOf(find({ k3sBin: path }))).toBe(
      `Unsupported: ${path} is no K3s that runs here: ${said}`,
    );
  });

  test("is refused when it is for another processor", async () => {
    const { install, find } = host();
    const path = install("other", Buffer.from("\x7fELF and so on"));

    expect(await failureOf(find({ k3sBin: path }))).toContain(`${path} cannot be run: ENOEXEC`);
  });

  test("is refused when its minor is not one we know", async () => {
    const { install, find } = host();
    const path = install("old", k3sLike("v1.30.2+k3s1"));

    expect(await failureOf(find({ k3sBin: path }))).toBe(
      `Unsupported: ${path} is K3s v1.30.2+k3s1, and fks-node knows 1.34 to 1.37`,
    );
  });

  test("is given up when it never tells its version", async () => {
    const { install, find } = host();
    const path = install("slow", "#!/bin/sh\nexec sleep 2\n");

    expect(await failureOf(find({ k3sBin: path, versionTimeoutMs: 50 }))).toBe(
      `Unsupported: ${path} does not tell its version within 0.05 s`,
    );
  });

  test("is not waited for when it has told its version and its children live on", async () => {
    const { install, find } = host();
    const path = install("forks", `#!/bin/sh\nsleep 3 &\necho "k3s version ${VERSION} (0)"\n`);
    const startedAt = performance.now();

    expect(await find({ k3sBin: path })).toMatchObject({ version: VERSION });
    expect(performance.now() - startedAt).toBeLessThan(2_500);
  });

  test("is not listened to for ever", async () => {
    const { install, find } = host();
    const path = install("chatty", "#!/bin/sh\nexec yes\n");

    expect(await failureOf(find({ k3sBin: path }))).toContain("is no K3s that runs here");
  });

  test("learns nothing of our environment, and unpacks itself into our data directory", async () => {
    const { install, find, folder } = host();
    const path = install(
      "tells",
      `#!/bin/sh\nenv > ${join(folder, "env")}\necho "k3s version ${VERSION} (0)"\n`,
    );
    await find({ k3sBin: path });

    const env = readFileSync(join(folder, "env"), "utf8").trim().split("\n");
    const dataDir = join(folder, "data/k3s");
    expect(env).toContain(`K3S_DATA_DIR=${dataDir}`);
    expect(env).toContain(`HOME=${join(dataDir, "home")}`);
    const names = env
      .map((line) => line.split("=")[0] ?? "")
      .filter((name) => name.includes("K3S"));
    expect(names).toEqual(["K3S_DATA_DIR"]);
  });
});

describe("a K3s on PATH", () => {
  test("is taken when its minor is one we know", async () => {
    const { install, find } = host();
    const path = install("k3s", k3sLike("v1.34.0+k3s1"));

    expect(await find()).toEqual({ path, version: "v1.34.0+k3s1", source: "path" });
  });

  test("that cannot go on with the data is passed over, one that can is taken", async () => {
    const { install, put, find, lines } = host();
    const path = install("k3s", k3sLike("v1.35.2+k3s1"));
    put(RELEASE.binary, K3S);
    put(RELEASE.checksums, sumsOf(K3S));

    expect(await find({ dataVersion: VERSION })).toMatchObject({ source: "cache" });
    expect(lines.join()).toContain("v1.35.2+k3s1");
    expect(await find({ dataVersion: "v1.34.9+k3s1" })).toMatchObject({ path, source: "path" });
  });

  test("of a minor we do not know is skipped with a word", async () => {
    const { install, put, find, lines } = host();
    const old = install("k3s", k3sLike("v1.33.9+k3s1"));
    const path = put(RELEASE.binary, K3S);
    put(RELEASE.checksums, sumsOf(K3S));

    expect(await find()).toEqual({ path, version: VERSION, source: "cache" });
    expect(lines).toEqual([
      `${old} is K3s v1.33.9+k3s1, and fks-node knows 1.34 to 1.37; looking for another one`,
    ]);
  });
});

describe("a K3s in the cache", () => {
  test("put there by hand with its checksum file needs no network, and no chmod", async () => {
    const { put, find, lines } = host();
    const path = put(RELEASE.binary, K3S);
    put(RELEASE.checksums, sumsOf(K3S));

    expect(await find()).toEqual({ path, version: VERSION, source: "cache" });
    expect(lines).toEqual([]);
  });

  test("that is damaged is fetched anew", async () => {
    await using releases = await testReleases();
    releases.publish(VERSION, RELEASE.arch, K3S);
    const { put, find, lines } = host();
    const path = put(RELEASE.binary, k3sLike("v1.36.3+k3s1"));
    put(RELEASE.checksums, sumsOf(K3S));

    expect(await find({ releases: releases.url })).toMatchObject({ path, source: "download" });
    expect(lines[0]).toBe(`${path} is damaged, it has not the sha256 of the release: fetching it`);
    expect(await find()).toMatchObject({ source: "cache" });
  });

  test("that is damaged is not used when it cannot be fetched", async () => {
    const { put, find } = host();
    const path = put(RELEASE.binary, k3sLike("v1.36.3+k3s1"));
    put(RELEASE.checksums, sumsOf(K3S));

    expect(await failureOf(find())).toBe(
      `Unavailable: K3s ${VERSION} cannot be downloaded: 127.0.0.1:1 refuses the connection; ${path} is damaged, it has not the sha256 of the release`,
    );
  });

  test("without its checksum file is not fetched again when the host's proves it right", async () => {
    await using releases = await testReleases();
    releases.publish(VERSION, RELEASE.arch, K3S);
    const { put, find, lines, cache } = host();
    const path = put(RELEASE.binary, K3S);

    expect(await find({ releases: releases.url })).toMatchObject({ path, source: "cache" });
    expect(releases.requests).toHaveLength(1);
    expect(lines).toEqual([
      `${path} cannot be checked without ${RELEASE.checksums} beside it: fetching it`,
    ]);
    expect(readdirSync(cache)).toContain(RELEASE.checksums);
  });

  test("is held against the digest that was recorded, not the file beside it", async () => {
    const { put, find } = host();
    put(RELEASE.binary, K3S);
    put(RELEASE.checksums, `${"0".repeat(64)}  ${RELEASE.binary}\n`);
    const pinnedTo = (digest: string) => ({
      pin: { version: VERSION, sha256: { [RELEASE.arch]: digest } },
    });

    expect(await find(pinnedTo(sha256(K3S)))).toMatchObject({ source: "cache" });
    put(RELEASE.checksums, sumsOf(K3S));
    expect(await failureOf(find(pinnedTo("1".repeat(64))))).toContain("is damaged");
  });

  test("that says it is another release is not used", async () => {
    const { put, find } = host();
    const other = k3sLike("v1.35.1+k3s1");
    const path = put(RELEASE.binary, other);
    put(RELEASE.checksums, sumsOf(other));

    expect(await failureOf(find())).toBe(
      `Unsupported: ${path} is K3s v1.35.1+k3s1, not ${VERSION}: remove it`,
    );
  });
});

test("where there is none it is downloaded, once", async () => {
  await using releases = await testReleases();
  releases.publish(VERSION, RELEASE.arch, K3S);
  const { find, cache } = host();
  const path = join(cache, RELEASE.binary);

  expect(await find({ releases: releases.url })).toEqual({
    path,
    version: VERSION,
    source: "download",
  });
  expect(await find({ releases: releases.url })).toEqual({
    path,
    version: VERSION,
    source: "cache",
  });
  expect(releases.requests).toHaveLength(2);
});

test("where there is none and no network, one sentence says so", async () => {
  const { find, folder } = host();

  expect(await failureOf(find({ releases: "https://releases.invalid" }))).toBe(
    `Unavailable: K3s ${VERSION} cannot be downloaded: releases.invalid cannot be resolved`,
  );
  expect(existsSync(join(folder, "cache"))).toBe(false);
});
