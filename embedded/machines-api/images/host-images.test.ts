import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  type BuiltImage,
  blob,
  builtImage,
  descriptorOf,
  dockerArchive,
  ociArchive,
} from "#scripts/image-archive.ts";
import { tarOf } from "#scripts/tar-writer.ts";
import { failureOf } from "#test/fixtures/failure.ts";
import { type TestImages, testImages } from "#test/fixtures/host-images.ts";
import { testRegistry } from "#test/fixtures/registry.ts";

const never = new AbortController().signal;
const none: ReadonlySet<string> = new Set();

function image(reference: string, text = reference, architecture?: string): BuiltImage {
  return builtImage({
    reference,
    config: { Cmd: ["/bin/hello"] },
    layers: [
      { entries: [{ path: "base", content: "the same in all" }], compression: "gzip" },
      { entries: [{ path: "text", content: text }] },
    ],
    ...(architecture === undefined ? {} : { architecture }),
  });
}

function archived(here: TestImages, bytes: Uint8Array): string {
  const file = join(mkdtempSync(join(here.folder, "archive-")), "image.tar");
  writeFileSync(file, bytes);
  return file;
}

async function textOf(here: TestImages, reference: string): Promise<string> {
  const { root } = await here.images.ensure({ reference, pullPolicy: "Never" }, never);
  return readFileSync(join(root, "text"), "utf8");
}

describe("every kind of archive is loaded", () => {
  const web = image("web:1");
  const two = image("registry.example/team/two:2");

  test.each<[string, Uint8Array]>([
    ["docker save", dockerArchive([web, two])],
    ["docker save, gzip", gzipSync(dockerArchive([web, two]))],
    ["docker save, zstd", Bun.zstdCompressSync(dockerArchive([web, two]))],
    ["OCI layout", ociArchive([web, two])],
    ["OCI layout, gzip", gzipSync(ociArchive([web, two]))],
  ])("%s", async (_, bytes) => {
    using here = testImages();

    const loaded = await here.images.load(archived(here, bytes), never);

    expect(loaded.map(({ reference }) => reference)).toEqual([
      "docker.io/library/web:1",
      "registry.example/team/two:2",
    ]);
    expect(await textOf(here, "web:1")).toBe("web:1");
    expect(await textOf(here, "registry.example/team/two:2")).toBe("registry.example/team/two:2");
    expect(await here.images.list()).toEqual(loaded);
    expect(readdirSync(join(here.folder, "tmp"), { recursive: true })).toHaveLength(1);
  });

  test("an archive whose layers are links to another image's", async () => {
    using here = testImages();
    const [base, text] = web.layers;
    const bytes = tarOf([
      { path: "a/layer.tar", content: base?.tar ?? "" },
      { path: "b/layer.tar", type: "symlink", linkname: "../a/layer.tar" },
      { path: "c/layer.tar", content: text?.tar ?? "" },
      { path: "config.json", content: web.config.bytes },
      {
        path: "manifest.json",
        content: JSON.stringify([
          { Config: "config.json", RepoTags: ["web:1"], Layers: ["b/layer.tar", "c/layer.tar"] },
        ]),
      },
    ]);

    await here.images.load(archived(here, bytes), never);

    expect(await textOf(here, "web:1")).toBe("web:1");
  });

  test("an archive with images for several platforms", async () => {
    using here = testImages();
    const other = image("web:1", "other", "s390x");
    const architecture = process.arch === "x64" ? "amd64" : process.arch;
    const index = blob("application/vnd.oci.image.index.v1+json", {
      schemaVersion: 2,
      manifests: [
        { ...descriptorOf(other.manifest), platform: { os: "linux", architecture: "s390x" } },
        { ...descriptorOf(web.manifest), platform: { os: "linux", architecture } },
      ],
    });
    const annotations = { "io.containerd.image.name": "docker.io/library/web:1" };
    const blobs = [index, web.manifest, web.config, ...web.layers];
    const bytes = tarOf([
      ...blobs.map(({ digest, bytes: content }) => ({
        path: `./blobs/sha256/${digest.slice(7)}`,
        content,
      })),
      {
        path: "./index.json",
        content: JSON.stringify({
          schemaVersion: 2,
          manifests: [{ ...descriptorOf(index), annotations }],
        }),
      },
    ]);

    const [loaded] = await here.images.load(archived(here, bytes), never);

    expect(loaded).toMatchObject({ reference: "docker.io/library/web:1", digest: index.digest });
    expect(await textOf(here, "web:1")).toBe("web:1");
  });
});

describe("a file that is no image archive is refused in one sentence", () => {
  test.each<[string, Uint8Array, RegExp]>([
    ["text", Buffer.from("hello".repeat(500)), /archive is refused/],
    ["nothing", new Uint8Array(0), /neither index.json nor manifest.json/],
    ["another archive", tarOf([{ path: "a", content: "x" }]), /neither index.json nor/],
    ["cut off", dockerArchive([image("web:1")]).subarray(0, 2000), /ends in the middle|neither/],
    ["a bad manifest", tarOf([{ path: "manifest.json", content: "{}" }]), /bad form/],
    ["a manifest that is not JSON", tarOf([{ path: "manifest.json", content: "{" }]), /not JSON/],
    [
      "a layer is missing",
      tarOf([
        { path: "c.json", content: image("x").config.bytes },
        {
          path: "manifest.json",
          content: '[{"Config":"c.json","RepoTags":["web:1"],"Layers":["l.tar"]}]',
        },
      ]),
      /it lacks l.tar/,
    ],
    ["another platform", dockerArchive([image("web:1", "x", "s390x")]), /built for linux\/s390x/],
    ["a bad name", dockerArchive([image("Web:1")]), /InvalidImageName/],
  ])("%s", async (_, bytes, message) => {
    using here = testImages();
    const file = archived(here, bytes);

    const failure = await failureOf(here.images.load(file, never));

    expect(failure).toStartWith(`InvalidInput: cannot load ${file}: `);
    expect(failure).toMatch(message);
    expect(await here.images.list()).toEqual([]);
  });

  test("a file that is not there, and a folder", async () => {
    using here = testImages();
    expect(await failureOf(here.images.load("/nowhere/x.tar", never))).toBe(
      "NotFound: cannot load /nowhere/x.tar: there is no file /nowhere/x.tar",
    );
    expect(await failureOf(here.images.load(here.folder, never))).toMatch(/is a folder/);
  });

  test("a hostile one leaves no image", async () => {
    using here = testImages();
    const layers = [
      { entries: [{ path: "x", type: "symlink" as const, linkname: "../.." }, { path: "x/evil" }] },
    ];
    const bytes = dockerArchive([builtImage({ reference: "web:1", config: {}, layers })]);

    expect(await failureOf(here.images.load(archived(here, bytes), never))).toMatch(/leads out/);
    expect(await here.images.list()).toEqual([]);
    expect(readdirSync(join(here.folder, "roots"))).toEqual([]);
  });
});

test("what was loaded wins over a registry, also with Always, until it is removed", async () => {
  await using registry = testRegistry();
  using here = testImages();
  const reference = `${registry.host}/web:1`;
  registry.push("web", "1", image(reference, "from the registry"));
  await here.images.load(archived(here, dockerArchive([image(reference, "loaded")])), never);

  const loaded = await here.images.ensure({ reference, pullPolicy: "Always" }, never);
  expect(loaded.source).toBe("loaded");
  expect(await textOf(here, reference)).toBe("loaded");
  expect(registry.requests).toEqual([]);

  await here.images.remove(reference, none);
  const pulled = await here.images.ensure({ reference, pullPolicy: "Always" }, never);
  expect(pulled.source).toBe("pulled");
  expect(await textOf(here, reference)).toBe("from the registry");
});

test("what is loaded during a pull of the same name wins", async () => {
  await using registry = testRegistry();
  using here = testImages();
  const reference = `${registry.host}/web:1`;
  const file = archived(here, dockerArchive([image(reference, "loaded")]));
  registry.push("web", "1", image(reference, "from the registry"));
  registry.intercept = async (_request, url) => {
    if (url.pathname.includes("/manifests/")) await here.images.load(file, never);
    return undefined;
  };

  await here.images.ensure({ reference, pullPolicy: "Always" }, never);

  expect(await textOf(here, reference)).toBe("loaded");
});

test("a digest leads to what was loaded under a tag", async () => {
  using here = testImages();
  const file = archived(here, ociArchive([image("web:1")]));
  const [loaded] = await here.images.load(file, never);

  expect(await textOf(here, `web@${loaded?.digest}`)).toBe("web:1");
});

test("what one process loads another finds at once", async () => {
  using here = testImages();
  const server = here.another();
  await here.images.load(archived(here, dockerArchive([image("web:1")])), never);

  const found = await server.ensure({ reference: "web:1", pullPolicy: "Never" }, never);

  expect(found.source).toBe("loaded");
});

test("twenty loads at once in two processes lose no name", async () => {
  using here = testImages();
  const other = here.another();
  const names = Array.from({ length: 20 }, (_, index) => `web-${index}:1`);

  await Promise.all(
    names.map(async (name, index) =>
      (index % 2 === 0 ? here.images : other).load(
        archived(here, dockerArchive([image(name)])),
        never,
      ),
    ),
  );

  expect(await here.images.list()).toHaveLength(20);
});

describe("removing an image", () => {
  test("deletes what nothing else needs, and only that", async () => {
    using here = testImages();
    const [one, two] = [image("one:1"), image("two:1")];
    await here.images.load(archived(here, ociArchive([one, two])), never);
    const blobs = (): readonly string[] => readdirSync(join(here.folder, "blobs", "sha256"));
    expect(blobs()).toHaveLength(7);

    await here.images.remove("one:1", none);

    expect(blobs().toSorted()).toEqual(
      [two.manifest, two.config, ...two.layers].map(({ digest }) => digest.slice(7)).toSorted(),
    );
    expect(readdirSync(join(here.folder, "roots"))).toEqual([two.config.digest.slice(7)]);
    expect(await textOf(here, "two:1")).toBe("two:1");

    await here.images.remove("two:1", none);
    expect([...blobs(), ...readdirSync(join(here.folder, "roots"))]).toEqual([]);
  });

  test("keeps the root a Machine stands on", async () => {
    using here = testImages();
    const one = image("one:1");
    await here.images.load(archived(here, ociArchive([one])), never);

    await here.images.remove("one:1", new Set([one.config.digest]));

    expect(readdirSync(join(here.folder, "roots"))).toEqual([one.config.digest.slice(7)]);
    expect(await here.images.list()).toEqual([]);
  });

  test("keeps the root some overlay is mounted on", async () => {
    using here = testImages();
    const one = image("one:1");
    await here.images.load(archived(here, ociArchive([one])), never);
    const root = join(here.folder, "roots", one.config.digest.slice(7));
    const [up, work, at] = ["up", "work", "at"].map((name) => {
      mkdirSync(join(here.folder, name));
      return join(here.folder, name);
    });
    const options = `lowerdir=${root},upperdir=${up},workdir=${work}`;
    const mount = Bun.spawnSync(["mount", "-t", "overlay", "overlay", "-o", options, at ?? ""]);
    expect(mount.exitCode).toBe(0);
    try {
      await here.images.remove("one:1", none);
      expect(readFileSync(join(root, "text"), "utf8")).toBe("one:1");
    } finally {
      Bun.spawnSync(["umount", at ?? ""]);
    }
  });

  test("keeps the root that some container shows as a volume", async () => {
    using here = testImages();
    const one = image("one:1");
    await here.images.load(archived(here, ociArchive([one])), never);
    const root = join(here.folder, "roots", one.config.digest.slice(7));
    const at = join(here.folder, "at");
    mkdirSync(at);
    expect(Bun.spawnSync(["mount", "--bind", root, at]).exitCode).toBe(0);
    try {
      await here.images.remove("one:1", none);
      expect(readFileSync(join(root, "text"), "utf8")).toBe("one:1");
    } finally {
      Bun.spawnSync(["umount", at]);
    }
  });

  test("says so when there is none", async () => {
    using here = testImages();
    expect(await failureOf(here.images.remove("web:1", none))).toBe(
      "NotFound: docker.io/library/web:1 is not on this host",
    );
  });
});

test("what a process that was killed left unfinished is cleaned away and never used", async () => {
  using here = testImages();
  const file = archived(here, dockerArchive([image("web:1")]));
  const left = join(here.folder, "tmp", "1234567-89", "xabc", "root");
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, "half"), "done");

  const next = here.another();
  await next.load(file, never);

  expect(readdirSync(join(here.folder, "tmp")).some((name) => name.startsWith("1234567"))).toBe(
    false,
  );
  expect(await textOf(here, "web:1")).toBe("web:1");
});

test("a loaded image whose root was lost is unpacked again", async () => {
  using here = testImages();
  await here.images.load(archived(here, dockerArchive([image("web:1")])), never);
  rmSync(join(here.folder, "roots"), { recursive: true });
  mkdirSync(join(here.folder, "roots"));

  expect(await textOf(here, "web:1")).toBe("web:1");
});

test("a table of names that is damaged is named, not overwritten", async () => {
  using here = testImages();
  writeFileSync(join(here.folder, "refs.json"), "{");

  const failure = await failureOf(
    here.images.ensure({ reference: "web:1", pullPolicy: "Never" }, never),
  );

  expect(failure).toContain(`${join(here.folder, "refs.json")} is damaged`);
  expect(readFileSync(join(here.folder, "refs.json"), "utf8")).toBe("{");
});

test("unpacking happens in a thread of its own, hostile archives included", async () => {
  const { workerUnpacker } = await import("./unpacker.ts");
  using here = testImages({ unpacker: workerUnpacker(), isDurable: true });
  await here.images.load(archived(here, dockerArchive([image("web:1")])), never);
  expect(await textOf(here, "web:1")).toBe("web:1");

  const layers = [{ entries: [{ path: "null", type: "character-device" as const }] }];
  const hostile = dockerArchive([builtImage({ reference: "evil:1", config: {}, layers })]);
  const failure = await failureOf(here.images.load(archived(here, hostile), never));
  expect(failure).toMatch(/^InvalidInput: .*"null" is a device node/);
});

test("a full disk is told in words", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fks-full-"));
  Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder]);
  try {
    using here = testImages();
    const layers = [{ entries: [{ path: "big", content: "x".repeat(1 << 20) }] }];
    const file = archived(
      here,
      dockerArchive([builtImage({ reference: "a:1", config: {}, layers })]),
    );

    const failure = await failureOf(here.another({ folder }).load(file, never));

    expect(failure).toBe(`Unavailable: cannot load ${file}: no space is left for ${folder}`);
  } finally {
    Bun.spawnSync(["umount", folder]);
    rmSync(folder, { recursive: true });
  }
});
