import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { environmentFor, loadConfig } from "./config.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-config-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const fileWith = (text: string): string => {
  const path = join(folder, `${crypto.randomUUID()}.yaml`);
  writeFileSync(path, text);
  return path;
};

/** The sentence a person reads, or what was loaded. */
const load = (
  flags: Record<string, unknown>,
  env: Record<string, string> = {},
  configPath?: string,
) => loadConfig({ flags, env, ...(configPath === undefined ? {} : { configPath }) });
const mistakeIn = (...args: Parameters<typeof load>): Promise<string> =>
  load(...args).then(() => "", String);

test("nothing given means a local cluster with two regions and real containers", async () => {
  const config = await load({});

  expect(config).toMatchObject({
    dataDir: "/var/lib/fks-node",
    name: "local",
    machines: "embedded",
    runtime: "crun",
    limits: "off",
    regions: ["local-a", "local-b"],
    nodeCapacity: { pods: 250 },
    evictionHard:
      "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%",
  });
});

test("a flag wins over the environment, the environment over the file", async () => {
  const path = fileWith(
    "name: from-file\nlogLevel: warn\nregions: [ams, lhr]\nmachinesPort: 5000\n",
  );
  const env = { FKS_NAME: "from-env", FKS_LOG_LEVEL: "error", FKS_ORG: "" };
  const config = await load({ name: "from-flag" }, env, path);

  expect(config).toMatchObject({
    name: "from-flag",
    logLevel: "error",
    regions: ["ams", "lhr"],
    machinesPort: 5000,
  });
  expect(config.org).toBeUndefined();
});

test.each([
  [{ regions: "ams,ams" }, "--regions: expected each region once"],
  [{ runtime: "docker" }, '--runtime: expected one of "crun"|"none"'],
  [{ engine: "k0s" }, '--engine: expected one of "auto"|"k3s"|"upstream"'],
  [{ k3sReleases: "ftp://mirror/" }, "--k3s-releases: expected an http or https URL"],
  [{ imageGcHighThreshold: "101" }, "--image-gc-high-threshold: "],
  [{ imageGcHighThreshold: "half" }, "--image-gc-high-threshold: expected whole percent"],
  [
    { imageGcHighThreshold: "70" },
    "--image-gc-low-threshold cannot be higher than --image-gc-high-threshold",
  ],
  [{ startTimeout: "2m" }, "--start-timeout: expected whole seconds from 10 to 3600"],
  [{ machinesPort: "many" }, "--machines-port: expected a port number"],
  [{ nodeCapacity: "cpu=4,disk=1" }, "--node-capacity: disk: no such setting"],
  [{ evictionHard: "disk<1Gi" }, "--eviction-hard: unsupported eviction signal disk"],
  [{ evictionHard: "" }, "--eviction-hard: expected at least one threshold"],
  [{ nodeCapacity: "cpu" }, "--node-capacity: cpu: expected a quantity"],
  [{ nodeCapacity: "cpu=0" }, "--node-capacity: cpu: expected more than nothing"],
  [{ nodeCapacity: "pods=0" }, "--node-capacity: pods: expected a whole number from 1 to 10000"],
  [{ dataDir: "" }, "--data-dir: expected a folder"],
  [
    { nodeCapacity: "memory=much" },
    "--node-capacity: memory: expected a quantity such as 4 or 8Gi",
  ],
  [{ machines: "fly" }, "--machines fly needs --regions"],
  [{ nodeLabels: "tier" }, "--node-labels: tier: expected a value, as in tier=front"],
  [{ nodeLabels: "" }, "--node-labels: : expected a value, as in tier=front"],
  [{ nodeLabels: "tier=two words" }, '--node-labels: "two words" is no value of a label'],
  [{ nodeLabels: "{oops" }, "--node-labels: expected names and values such as tier=front"],
  [
    { nodeLabels: "node-role.kubernetes.io/edge=" },
    '--node-labels: "node-role.kubernetes.io/edge" is not for kubelets to set',
  ],
  [{ nodeAnnotations: "a b=c" }, '--node-annotations: "a b" is no name of an annotation'],
  [
    { nodeAnnotations: `note=${"x".repeat(70_000)}` },
    "--node-annotations: expected at most 64 KiB in all",
  ],
  [{ registerWithTaints: "gpu" }, '--register-with-taints: "gpu" is no taint: expected key=value'],
  [
    { registerWithTaints: "a=1:NoExecute,a=2:NoExecute" },
    "--register-with-taints: expected each name once with the same effect",
  ],
])("%j is answered with what was expected", async (flags, sentence) => {
  expect(await mistakeIn(flags)).toContain(sentence);
});

test("a mistake in the file is told with its line", async () => {
  const typo = fileWith("name: local\nregoins: [ams]\n");
  const type = fileWith("name: local\nnodeCapacity:\n  cpu: 4\n  pods: none\n");

  expect(await mistakeIn({}, {}, typo)).toContain(`${typo}:2: regoins: no such setting`);
  expect(await mistakeIn({}, {}, type)).toContain(
    `${type}:4: nodeCapacity.pods: expected a whole number`,
  );
  expect(await mistakeIn({}, {}, fileWith("a: [1\nb: 2"))).toMatch(/yaml:\d: /);
  expect(await mistakeIn({}, {}, fileWith("naem: a\nrole: b"))).toMatch(/naem: no .*role: no /);
  expect(await mistakeIn({}, {}, fileWith("name: *nobody"))).toMatch(
    /^FksError: .*Unresolved alias/,
  );
  expect(await mistakeIn({}, {}, fileWith("a: 1\n---\nb: 2"))).toContain("expected one document");
  expect(await mistakeIn({}, {}, folder)).toContain(`${folder} is a folder, not a file`);
  expect(await mistakeIn({}, {}, fileWith("just words"))).toContain(":1: expected settings");
  expect(await mistakeIn({}, { FKS_CONFIG: "/nowhere/x.yaml" })).toContain("does not exist");
  expect(await mistakeIn({}, { FKS_LIMITS: "some" })).toContain("FKS_LIMITS: expected one of");
});

test("what Nodes carry is given as the kubelet's flags are, or in the file", async () => {
  const flags = {
    nodeLabels: "tier=front, example.com/pool=",
    nodeAnnotations: "example.com/query=a=b",
    registerWithTaints: "dedicated=gpu:NoSchedule,off:NoExecute",
  };
  const file = fileWith(`
nodeLabels: { tier: front, example.com/pool: "" }
nodeAnnotations: { example.com/query: a=b }
registerWithTaints: ["dedicated=gpu:NoSchedule", "off:NoExecute"]
`);
  const expected = {
    nodeLabels: { tier: "front", "example.com/pool": "" },
    nodeAnnotations: { "example.com/query": "a=b" },
    registerWithTaints: [
      { key: "dedicated", value: "gpu", effect: "NoSchedule" },
      { key: "off", effect: "NoExecute" },
    ],
  };
  expect(await load(flags)).toMatchObject(expected);
  expect(await load({}, {}, file)).toMatchObject(expected);
  expect(await load({}, {}, fileWith("nodeLabels: { turn: 7, on: true }"))).toMatchObject({
    nodeLabels: { turn: "7", on: "true" },
  });
});

test("a child gets the same configuration, and nobody else sees the token", async () => {
  const config = await load(
    {
      nodeCapacity: "cpu=4,memory=8Gi,pods=20",
      evictionHard: "memory.available<1Gi",
      nodeLabels: "tier=front",
      nodeAnnotations: '{"example.com/motto":"first, second = {third}"}',
      registerWithTaints: "dedicated=gpu:NoSchedule",
      regions: "ams,lhr",
      machines: "fly",
    },
    { FLY_API_TOKEN: "FlyV1 abc" },
  );
  const again = await load({}, environmentFor(config));

  expect(JSON.parse(JSON.stringify(again))).toEqual(JSON.parse(JSON.stringify(config)));
  expect(again.flyApiToken?.reveal()).toBe("FlyV1 abc");
  expect(`${JSON.stringify(config)} ${inspect(config)}`).not.toContain("abc");
});
