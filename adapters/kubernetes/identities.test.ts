import { describe, expect, test } from "bun:test";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { type TestCa, testCa } from "#test/fakes/kubelet-pki.ts";
import { memoryLog } from "#test/fakes/log.ts";
import type { KeyPair } from "./certificates.ts";
import { type IdentityStore, keptIdentity } from "./identities.ts";
import { identityFolder } from "./identity-store.ts";

const never = new AbortController().signal;
const DAY_MS = 86_400_000;

describe("an identity", () => {
  test("is signed once and found again by the next start", async () => {
    const world = await start();
    const first = await world.open();
    const again = await world.open();
    expect(world.signed()).toBe(1);
    expect(again.current()).toEqual(first.current());
  });

  test("of another cluster is not used", async () => {
    const world = await start();
    await world.open();
    await world.open({ authorities: (await testCa("another")).cert });
    expect(world.signed()).toBe(2);
    expect(world.log.lines.at(-1)?.[1]).toMatchObject({ reason: "it is from another cluster" });
  });

  test("for another name or address is not used", async () => {
    const world = await start();
    await world.open();
    await world.open({ commonName: "system:node:other" });
    await world.open({ addresses: ["fdaa:1:2:ffff::1:0"] });
    expect(world.signed()).toBe(3);
  });

  test("that is damaged is asked for anew", async () => {
    const world = await start();
    await world.open();
    await world.store.save("node-local-a", { cert: "damaged", key: "damaged" });
    await world.open();
    expect(world.signed()).toBe(2);
  });

  test("is renewed at 70 % of its life while we run, and its users are told", async () => {
    const world = await start();
    const identity = await world.open();
    const told: KeyPair[] = [];
    identity.onChange((pair) => told.push(pair));
    await using _ = world.run(identity);

    // Certificates of the test CA were born a day ago and live for two.
    world.clock.advance(0.39 * DAY_MS);
    await turn();
    expect(world.signed()).toBe(1);
    world.clock.advance(0.02 * DAY_MS);
    await eventually(() => told.length > 0);
    expect(world.signed()).toBeGreaterThan(1);
    expect(told[0]).toEqual(identity.current());
    expect(await world.store.load("node-local-a")).toEqual(identity.current());
  });

  test("stays in use when renewing fails, and is tried again", async () => {
    const world = await start();
    const identity = await world.open();
    const before = identity.current();
    await using _ = world.run(identity);
    world.refuse(true);
    world.clock.advance(0.41 * DAY_MS);
    await eventually(() => world.log.lines.some(([line]) => line === "certificate not renewed"));
    expect(identity.current()).toEqual(before);

    world.refuse(false);
    await eventually(() => world.signed() > 1, { clock: world.clock });
  });

  test("is kept in one file that only its owner can read", async () => {
    const folder = await mkdtemp(join(tmpdir(), "fks-identities-"));
    try {
      const store = identityFolder(join(folder, "identities"));
      const pair = await (await testCa("ca")).client([{ CN: ["fks-node"] }]);
      expect(await store.load("fks-node")).toBeUndefined();
      await store.save("fks-node", pair);
      const loaded = await store.load("fks-node");
      expect(loaded?.cert.trim()).toBe(pair.cert.trim());
      expect(loaded?.key.trim()).toBe(pair.key.trim());
      const { mode } = await stat(join(folder, "identities/fks-node.pem"));
      expect(mode & 0o777).toBe(0o600);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

async function start() {
  const ca: TestCa = await testCa("client-ca");
  const clock = fakeClock();
  clock.advance(Date.now());
  const log = memoryLog();
  const store = memoryStore();
  let signed = 0;
  let isRefusing = false;

  return {
    clock,
    log,
    store,
    signed: () => signed,
    refuse: (refusing: boolean) => {
      isRefusing = refusing;
    },
    open({
      commonName = "system:node:local-a",
      addresses = [] as readonly string[],
      authorities = ca.cert,
    } = {}) {
      const subject = { commonName, organization: "system:nodes", addresses };
      const order = { signer: "kubernetes.io/kube-apiserver-client-kubelet" as const, subject };
      const deps = {
        store,
        clock,
        log,
        sign: async () => {
          if (isRefusing) throw new FksError("Unavailable", "the API server cannot be reached");
          signed += 1;
          return ca.client([{ O: ["system:nodes"] }, { CN: ["system:node:local-a"] }]);
        },
      };
      return keptIdentity({ name: "node-local-a", order, authorities }, deps, never);
    },
    run(identity: { run(signal: AbortSignal): Promise<void> }): AsyncDisposable {
      const stop = new AbortController();
      const running = identity.run(stop.signal);
      return {
        async [Symbol.asyncDispose]() {
          stop.abort(new Error("the test is over"));
          await running;
        },
      };
    },
  };
}

function memoryStore(): IdentityStore {
  const pairs = new Map<string, KeyPair>();
  return {
    load: async (name) => pairs.get(name),
    save: async (name, pair) => void pairs.set(name, pair),
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
