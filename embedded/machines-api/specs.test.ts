import { expect, test } from "bun:test";
import type { ContainerConfig, MachineConfig } from "#core/fly/machine.ts";
import type { Bundle } from "#core/fly/machine-protocol.ts";
import type { Image, ImageConfig } from "./images/images.ts";
import { containerSpecFor, machineSpecFor, pulledMessage, type SpecResult } from "./specs.ts";
import { container, startedMachine } from "./testing/records.ts";

const ADDRESS = { ipv6: "fdaa::1:2", ipv4: "100.64.0.2" };

function image(config: ImageConfig = {}, changes: Partial<Image> = {}): Image {
  return {
    reference: "docker.io/library/web:1",
    registry: "docker.io",
    repository: "library/web",
    tag: "1",
    digest: "sha256:aa",
    configDigest: "sha256:bb",
    root: "/images/bb",
    sizeBytes: 1_234,
    config: { Entrypoint: ["/entry"], Cmd: ["serve"], ...config },
    source: "pulled",
    tookMs: 1_500,
    ...changes,
  };
}

interface Given {
  readonly config?: Partial<ContainerConfig>;
  readonly machine?: MachineConfig;
  readonly bundle?: Bundle;
  readonly image?: ImageConfig;
  readonly volumeImages?: ReadonlyMap<string, Image>;
}

function specOf(given: Given): SpecResult {
  const record = startedMachine({
    ...given.machine,
    containers: [{ name: "app", image: "web:1", ...given.config }],
  });
  return containerSpecFor({
    record,
    container: container(record),
    attempt: 0,
    image: image(given.image),
    volumeImages: given.volumeImages ?? new Map(),
    address: ADDRESS,
    bundle: given.bundle,
    folderOf: (id) => `/volumes/${id}`,
  });
}

function argsOf(given: Given): readonly string[] | string {
  const result = specOf(given);
  return result.ok ? result.spec.args : result.message;
}

function bundleOf(main: Bundle["containers"][string], volumes: Bundle["volumes"] = {}): Bundle {
  return { containers: { app: main }, volumes };
}

test("the command is the bundle's, else the config's, else the image's", () => {
  expect(argsOf({})).toEqual(["/entry", "serve"]);
  expect(argsOf({ config: { cmd: ["other"] } })).toEqual(["/entry", "other"]);
  expect(argsOf({ config: { entrypoint: ["/mine"] } })).toEqual(["/mine"]);
  expect(argsOf({ config: { exec: ["/all"] } })).toEqual(["/all"]);
  const bundle = bundleOf({ entrypoint: ["/bundle"], cmd: ["x"] });
  expect(argsOf({ config: { exec: ["/all"], cmd: ["c"] }, bundle })).toEqual(["/bundle", "x"]);
  expect(argsOf({ image: { Entrypoint: [], Cmd: [] } })).toBe("no command specified");
});

test("later environments win: image, platform, Machine, container, bundle", () => {
  const result = specOf({
    image: { Env: ["A=image", "B=image", "PATH=/bin"] },
    machine: { env: { B: "machine", C: "machine" } },
    config: {
      env: { C: "container", D: "container" },
      env_from: [{ env_var: "IP", field_ref: "private_ip" }],
    },
    bundle: bundleOf({ env: [{ name: "D", value: "a=b" }] }),
  });
  const env = result.ok ? result.spec.env : [];

  expect(env).toEqual(
    expect.arrayContaining([
      "PATH=/bin",
      "A=image",
      "B=machine",
      "C=container",
      "D=a=b",
      "IP=fdaa::1:2",
      "FLY_PRIVATE_IP=fdaa::1:2",
      "FLY_APP_NAME=demo",
    ]),
  );
  expect(new Set(env.map((line) => line.split("=")[0])).size).toBe(env.length);
});

test("a mount shows the bundle's files, else the Machine's volume; one of neither is refused", () => {
  const mounts = [
    { name: "token", path: "/run/token" },
    { name: "tmp", path: "/tmp" },
  ];
  const given = {
    config: { mounts },
    machine: { volumes: [{ name: "tmp", temp_dir: { storage_type: "memory", size_mb: 16 } }] },
  } as const;
  const files = [{ path: "token", mode: 0o400, content: btoa("secret") }];
  const result = specOf({
    ...given,
    bundle: bundleOf({ readOnlyMounts: ["token"] }, { token: files }),
  });

  expect(result).toMatchObject({
    ok: true,
    spec: {
      mounts: [
        { path: "/run/token", readOnly: true, volume: { kind: "files", files: [{ mode: 0o400 }] } },
        { path: "/tmp", readOnly: false, volume: { kind: "memory", sizeMb: 16 } },
      ],
    },
  });
  expect(specOf(given)).toEqual({
    ok: false,
    message: 'volume "token" of mount "/run/token" is not defined',
  });
});

test("a file whose secret we do not have refuses the container", () => {
  const files = [{ guest_path: "/key", secret_name: "KEY" }];

  expect(specOf({ config: { files } })).toMatchObject({ ok: false });
});

test("the Machine's network has its names, resolver and limits", () => {
  const record = startedMachine({
    image: "x",
    guest: { cpu_kind: "shared", cpus: 2, memory_mb: 512 },
    dns: {
      hostname: "web-0",
      hostname_fqdn: "web-0.web.default.svc.cluster.local",
      searches: ["svc.cluster.local"],
      options: [{ name: "ndots", value: "5" }],
    },
  });
  const hosts = [{ ip: "10.0.0.1", hostnames: ["db"] }];
  const spec = machineSpecFor(record, ADDRESS, { containers: {}, volumes: {}, hosts });

  expect(spec).toMatchObject({
    hostname: "web-0",
    cpuMillis: 2_000,
    memoryBytes: 512 * 1024 * 1024,
    dns: { nameservers: ["fdaa::3"], searches: ["svc.cluster.local"], options: ["ndots:5"] },
  });
  expect(spec.hosts).toEqual([
    {
      ip: ADDRESS.ipv6,
      hostnames: ["web-0.web.default.svc.cluster.local", "web-0", "fly-local-6pn"],
    },
    { ip: ADDRESS.ipv4, hostnames: ["fly-global-services"] },
    { ip: "10.0.0.1", hostnames: ["db"] },
  ]);
});

test("the event Pulled tells where an image came from", () => {
  expect(pulledMessage(image(), "web:1")).toBe(
    'Successfully pulled image "web:1" in 1.500s (1.500s including waiting). Image size: 1234 bytes.',
  );
  expect(pulledMessage(image({}, { source: "present" }), "web:1")).toContain(
    "already present on machine",
  );
  expect(pulledMessage(image({}, { source: "loaded" }), "web:1")).toContain(
    "was loaded from a file",
  );
});

test("a volume that shows an image is that image's root, whatever the config calls it", () => {
  const given = {
    machine: { volumes: [{ name: "model", temp_dir: { storage_type: "memory" } }] },
    bundle: bundleOf({ mounts: [{ name: "model", path: "/model", subPath: "weights" }] }),
    volumeImages: new Map([["model", image({}, { root: "/images/cc" })]]),
  } as const;
  const result = specOf(given);

  const volume = { name: "model", kind: "image", imageRoot: "/images/cc", files: [] } as const;
  expect(result.ok && result.spec.mounts).toEqual([
    {
      volume: { ...volume, sizeMb: undefined },
      path: "/model",
      subPath: "weights",
      readOnly: false,
    },
  ]);
});

const MOUNTED: MachineConfig = { mounts: [{ volume: "vol_a", name: "data", path: "/data" }] };

test("a Machine's volume is seen by every container; one with a bundle names what it mounts", () => {
  const plain = specOf({ machine: MOUNTED, config: { exec: ["true"] } });
  const silent = specOf({ machine: MOUNTED, bundle: bundleOf({ cmd: ["true"] }) });
  const mounts = [{ name: "data", path: "/db", subPath: "pg", readOnly: true }];
  const named = specOf({ machine: MOUNTED, bundle: bundleOf({ cmd: ["true"], mounts }) });
  const volume = { name: "vol_a", kind: "persistent", folder: "/volumes/vol_a" };

  expect(plain).toMatchObject({ spec: { mounts: [{ path: "/data", readOnly: false, volume }] } });
  expect(silent).toMatchObject({ spec: { mounts: [] } });
  expect(named).toMatchObject({
    spec: { mounts: [{ path: "/db", subPath: "pg", readOnly: true, volume }] },
  });
});
