import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { PullCredential } from "#core/fly/machine-protocol.ts";
import { type BuiltImage, builtImage, descriptorOf } from "#scripts/image-archive.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { testImages } from "#test/fixtures/host-images.ts";
import { type TestRegistry, testRegistry } from "#test/fixtures/registry.ts";
import type { ImageRequest, Images } from "./images.ts";

const never = new AbortController().signal;
const login = { username: "ada", password: "secret" };

function image(text = "hello", architecture?: string): BuiltImage {
  return builtImage({
    reference: "x",
    config: { Cmd: ["/bin/hello"], Env: ["A=b"], User: "" },
    layers: [
      { entries: [{ path: "base", content: "base".repeat(50_000) }], compression: "gzip" },
      { entries: [{ path: "text", content: text }], compression: "zstd" },
    ],
    ...(architecture === undefined ? {} : { architecture }),
  });
}

function ensure(images: Images, reference: string, more: Partial<ImageRequest> = {}) {
  return images.ensure({ reference, pullPolicy: "IfNotPresent", ...more }, never);
}

async function pushed(text = "hello"): Promise<{ registry: TestRegistry; built: BuiltImage }> {
  const registry = testRegistry();
  const built = image(text);
  registry.push("team/web", "1", built);
  return { registry, built };
}

test("an image is pulled once and then present", async () => {
  const { registry, built } = await pushed();
  await using _ = registry;
  using here = testImages();

  const first = await ensure(here.images, `${registry.host}/team/web:1`);
  const second = await ensure(here.images, `${registry.host}/team/web:1`);

  expect(first).toMatchObject({
    reference: `${registry.host}/team/web:1`,
    repository: "team/web",
    tag: "1",
    digest: built.manifest.digest,
    configDigest: built.config.digest,
    config: { Cmd: ["/bin/hello"], Env: ["A=b"] },
    source: "pulled",
  });
  expect(first.config).not.toHaveProperty("User");
  expect(readFileSync(join(first.root, "text"), "utf8")).toBe("hello");
  expect(second).toMatchObject({ source: "present", root: first.root });
  expect(registry.requests).toHaveLength(4);
});

test("two callers for one image share one pull, and one of them may leave", async () => {
  const { registry } = await pushed();
  await using _ = registry;
  using here = testImages();
  const reference = `${registry.host}/team/web:1`;
  const leaving = new AbortController();

  const left = failureOf(
    here.images.ensure({ reference, pullPolicy: "Always" }, leaving.signal).catch(() => {
      throw Object.assign(new Error("left"), { name: "left" });
    }),
  ).catch((error: unknown) => String(error));
  const [one, two] = [ensure(here.images, reference), ensure(here.images, reference)];
  leaving.abort(new Error("no longer wanted"));

  expect(await left).toBe("left: left");
  expect((await one).digest).toBe((await two).digest);
  expect(registry.requests).toHaveLength(4);
});

test("a pull that nobody waits for any more stops and leaves nothing behind", async () => {
  const { registry } = await pushed();
  await using _ = registry;
  using here = testImages();
  const stop = new AbortController();
  registry.intercept = (_request, url) => {
    if (!url.pathname.includes("/blobs/")) return undefined;
    stop.abort(new Error("no longer wanted"));
    return new Promise<Response>(() => {});
  };

  const request = { reference: `${registry.host}/team/web:1`, pullPolicy: "Always" } as const;
  const failure = await here.images.ensure(request, stop.signal).catch((error: unknown) => error);

  expect(String(failure)).toContain("no longer wanted");
  expect(readdirSync(join(here.folder, "tmp"), { recursive: true })).toHaveLength(1);
  expect(await here.images.list()).toEqual([]);
});

test("with Always the tag is asked again, and what did not change is not fetched again", async () => {
  const { registry } = await pushed();
  await using _ = registry;
  using here = testImages();
  const reference = `${registry.host}/team/web:1`;
  await ensure(here.images, reference);
  registry.requests.length = 0;

  const same = await ensure(here.images, reference, { pullPolicy: "Always" });
  expect(same.source).toBe("pulled");
  expect(registry.requests).toHaveLength(1);

  registry.push("team/web", "1", image("newer"));
  const newer = await ensure(here.images, reference, { pullPolicy: "Always" });
  expect(readFileSync(join(newer.root, "text"), "utf8")).toBe("newer");
  expect(registry.requests).toHaveLength(4);
});

test("with Never nothing is asked", async () => {
  const { registry } = await pushed();
  await using _ = registry;
  using here = testImages();

  const failure = await failureOf(
    ensure(here.images, `${registry.host}/team/web:1`, { pullPolicy: "Never" }),
  );

  expect(failure).toStartWith("NotFound: ErrImageNeverPull");
  expect(registry.requests).toEqual([]);
});

test("an index leads to the image of this host", async () => {
  const { registry, built } = await pushed();
  await using _ = registry;
  using here = testImages();
  const other = image("other", "s390x");
  registry.push("team/web", "other", other);
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      manifests: [
        { ...descriptorOf(other.manifest), platform: { os: "linux", architecture: "s390x" } },
        { ...descriptorOf(built.manifest), platform: { os: "linux", architecture } },
      ],
    }),
  );
  const type = "application/vnd.oci.image.index.v1+json";
  const digest = registry.pushManifest("team/web", "multi", type, index);

  const found = await ensure(here.images, `${registry.host}/team/web:multi`);
  const pinned = await ensure(here.images, `${registry.host}/team/web@${digest}`);

  expect(readFileSync(join(found.root, "text"), "utf8")).toBe("hello");
  expect([found.digest, pinned.digest]).toEqual([digest, digest]);
  expect(pinned.root).toBe(found.root);
  expect(await failureOf(ensure(here.images, `${registry.host}/team/web:other`))).toMatch(
    /built for linux\/s390x/,
  );
});

describe("who is asking", () => {
  const right: PullCredential = { match: "", ...login };

  test.each(["bearer", "basic"] as const)("a %s registry gets the credentials", async (scheme) => {
    await using registry = testRegistry({ scheme, ...login });
    registry.push("team/web", "1", image());
    using here = testImages();
    const credentials = [
      { ...right, match: "other.example" },
      { ...right, match: registry.host, password: "wrong" },
      { ...right, match: `https://${registry.host}/v1/` },
    ];

    const pulled = await ensure(here.images, `${registry.host}/team/web:1`, { credentials });

    expect(pulled.source).toBe("pulled");
  });

  test.each(["bearer", "basic"] as const)("without them a %s registry refuses", async (scheme) => {
    await using registry = testRegistry({ scheme, ...login });
    registry.push("team/web", "1", image());
    using here = testImages();

    const failure = await failureOf(ensure(here.images, `${registry.host}/team/web:1`));

    expect(failure).toStartWith(`Unauthorized: cannot pull ${registry.host}/team/web:1: `);
    expect(failure).toContain("pull access denied for team/web without credentials");
    expect(failure).not.toContain("secret");
  });

  test("wrong ones are refused in the words that people look for", async () => {
    await using registry = testRegistry({ scheme: "basic", ...login });
    registry.push("team/web", "1", image());
    using here = testImages();
    const credentials = [{ ...right, match: registry.host, password: "wrong" }];

    const pulled = ensure(here.images, `${registry.host}/team/web:1`, { credentials });

    expect(await failureOf(pulled)).toContain("may require authorization");
  });

  test("another host to which it redirects does not learn them", async () => {
    await using store = testRegistry();
    await using registry = testRegistry({ scheme: "basic", ...login });
    const built = image();
    registry.push("team/web", "1", built);
    store.push("team/web", "1", built);
    registry.intercept = (_request, url) =>
      url.pathname.includes("/blobs/")
        ? Response.redirect(`http://${store.host}${url.pathname}`, 307)
        : undefined;
    using here = testImages();
    const credentials = [{ ...right, match: registry.host }];

    await ensure(here.images, `${registry.host}/team/web:1`, { credentials });

    expect(store.requests.toSorted()).toEqual(
      [built.config, ...built.layers]
        .map(({ digest }) => `/v2/team/web/blobs/${digest}`)
        .toSorted(),
    );
  });
});

describe("a registry that lies is not believed", () => {
  const lies: [string, (built: BuiltImage) => TestRegistry["intercept"], RegExp][] = [
    [
      "another manifest under a digest's header",
      () => (_, url) =>
        url.pathname.includes("/manifests/")
          ? new Response("{}", { headers: { "docker-content-digest": `sha256:${"0".repeat(64)}` } })
          : undefined,
      /another manifest/,
    ],
    [
      "other bytes of the same length",
      (built) => (_, url) =>
        url.pathname.endsWith(built.layers[1]?.digest ?? "")
          ? new Response(new Uint8Array(built.layers[1]?.bytes.length ?? 0))
          : undefined,
      /sent other bytes than sha256:/,
    ],
    [
      "a layer that does not end",
      () => (_, url) =>
        url.pathname.includes("/blobs/") ? new Response(new Uint8Array(1 << 20)) : undefined,
      /sent more than the/,
    ],
    [
      "a manifest that does not end",
      () => (_, url) =>
        url.pathname.includes("/manifests/") ? new Response(new Uint8Array(5 << 20)) : undefined,
      /more than 4194304 bytes/,
    ],
    [
      "a manifest that is none",
      () => (_, url) => (url.pathname.includes("/manifests/") ? new Response("<html>") : undefined),
      /manifest is not JSON/,
    ],
    [
      "redirects in a circle",
      () => (_, url) =>
        url.pathname.includes("/manifests/") ? Response.redirect(url.href, 302) : undefined,
      /redirects too often/,
    ],
  ];

  test.each(lies)("%s", async (_lie, intercept, message) => {
    const { registry, built } = await pushed();
    await using _ = registry;
    using here = testImages();
    registry.intercept = intercept(built);

    const failure = await failureOf(ensure(here.images, `${registry.host}/team/web:1`));

    expect(failure).toStartWith("Unavailable: cannot pull");
    expect(failure).toMatch(message);
    expect(await here.images.list()).toEqual([]);
    expect(readdirSync(join(here.folder, "roots"))).toEqual([]);
  });

  test("a digest asked for and not given", async () => {
    const { registry, built } = await pushed();
    await using _ = registry;
    using here = testImages();
    const wanted = `sha256:${"0".repeat(64)}`;
    registry.intercept = (_request, url) =>
      url.pathname.endsWith(wanted)
        ? new Response(Uint8Array.from(built.manifest.bytes))
        : undefined;

    expect(await failureOf(ensure(here.images, `${registry.host}/team/web@${wanted}`))).toMatch(
      /another manifest/,
    );
  });
});

describe("a registry that stumbles is given time", () => {
  test("429 and 503 are asked again", async () => {
    const { registry } = await pushed();
    await using _ = registry;
    using here = testImages();
    const answers = [
      new Response("", { status: 429, headers: { "retry-after": "0" } }),
      new Response("", { status: 503 }),
    ];
    registry.intercept = () => answers.shift();

    expect((await ensure(here.images, `${registry.host}/team/web:1`)).source).toBe("pulled");
  });

  test("one that wants a long rest is left alone, and its wish is passed on", async () => {
    const { registry } = await pushed();
    await using _ = registry;
    using here = testImages();
    registry.intercept = () =>
      new Response("", { status: 429, headers: { "retry-after": "3600" } });

    const failure = await ensure(here.images, `${registry.host}/team/web:1`).catch(
      (error: unknown) => error,
    );

    expect(failure).toMatchObject({ code: "Unavailable", retryAfterMs: 3_600_000 });
    expect(registry.requests).toHaveLength(1);
  });

  test("a transfer that breaks goes on where it stopped", async () => {
    const { registry, built } = await pushed();
    await using _ = registry;
    using here = testImages();
    const ranges: string[] = [];
    registry.intercept = (request, url) => {
      const layer = built.layers.find(({ digest }) => url.pathname.endsWith(digest));
      if (layer === undefined) return undefined;
      const range = request.headers.get("range");
      if (range !== null) ranges.push(range);
      if (range !== null || layer !== built.layers[0]) return undefined;
      return cutShort(layer.bytes, 100);
    };

    const pulled = await ensure(here.images, `${registry.host}/team/web:1`);

    expect(ranges).toEqual(["bytes=100-"]);
    expect(readFileSync(join(pulled.root, "base"), "utf8")).toBe("base".repeat(50_000));
  });

  test("one that cannot continue starts again", async () => {
    const { registry, built } = await pushed();
    await using _ = registry;
    using here = testImages();
    let count = 0;
    registry.intercept = (_request, url) => {
      const [layer] = built.layers;
      if (layer === undefined || !url.pathname.endsWith(layer.digest)) return undefined;
      count += 1;
      return count < 3
        ? cutShort(layer.bytes, 100 * count)
        : new Response(Uint8Array.from(layer.bytes));
    };

    expect((await ensure(here.images, `${registry.host}/team/web:1`)).source).toBe("pulled");
    expect(count).toBe(3);
  });

  test("one that goes quiet is given up", async () => {
    const { registry } = await pushed();
    await using _ = registry;
    using here = testImages({ quietMs: 20 });
    registry.intercept = () => new Promise<Response>(() => {});

    const failure = await failureOf(ensure(here.images, `${registry.host}/team/web:1`));

    expect(failure).toMatch(/^Unavailable: .*nothing came for 0.02 s/);
  });

  test("one that is not there is named", async () => {
    const { registry } = await pushed();
    await registry[Symbol.asyncDispose]();
    using here = testImages();

    const failure = await failureOf(ensure(here.images, `${registry.host}/team/web:1`));

    expect(failure).toBe(
      `Unavailable: cannot pull ${registry.host}/team/web:1: cannot reach ${registry.host}: connection refused`,
    );
  });
});

test("an image that is not there is NotFound", async () => {
  await using registry = testRegistry();
  using here = testImages();

  const failure = await failureOf(ensure(here.images, `${registry.host}/team/none:1`));

  expect(failure).toStartWith(`NotFound: cannot pull ${registry.host}/team/none:1`);
});

test("a mirror is asked first, without credentials, and its registry when it lacks the image", async () => {
  const { registry, built } = await pushed();
  await using _ = registry;
  await using mirror = testRegistry();
  const credentials = [{ match: registry.host, ...login }];
  using here = testImages({
    access: { insecure: [], mirrors: { [registry.host]: [`http://${mirror.host}/`] } },
  });

  await ensure(here.images, `${registry.host}/team/web:1`, { credentials });
  expect(mirror.requests).toEqual(["/v2/team/web/manifests/1"]);
  expect(registry.requests).toHaveLength(4);

  mirror.push("team/web", "2", built);
  await ensure(here.images, `${registry.host}/team/web:2`, { credentials });
  expect(registry.requests).toHaveLength(4);
});

test("plain HTTP is for loopback and for registries that were named", async () => {
  using here = testImages();

  const failure = await failureOf(ensure(here.images, "registry.invalid/web:1"));

  expect(failure).toMatch(/cannot reach registry.invalid/);
});

test("a hostile image is refused, and nothing of it is kept to run", async () => {
  await using registry = testRegistry();
  using here = testImages();
  const layers = [{ entries: [{ path: "../../../evil", content: "hit" }] }];
  registry.push("evil", "1", builtImage({ reference: "x", config: {}, layers }));

  const failure = await failureOf(ensure(here.images, `${registry.host}/evil:1`));

  expect(failure).toBe(
    `Unavailable: cannot pull ${registry.host}/evil:1: the archive is refused: "../../../evil" leads out of the image`,
  );
  expect(readdirSync(join(here.folder, "roots"))).toEqual([]);
});

/** The first bytes of a body that should have been longer. */
function cutShort(bytes: Uint8Array, length: number): Response {
  return new Response(Uint8Array.from(bytes.subarray(0, length)));
}
