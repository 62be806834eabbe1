import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { FksError } from "../errors.ts";
import type { NetworkPolicy } from "../kube/network-policy.ts";
import { type PolicyKeeper, policyKeeper } from "./policy-keeper.ts";
import type { PolicyPod } from "./policy-pod.ts";
import type { PolicyTable } from "./policy-table.ts";

const DENY: NetworkPolicy = {
  metadata: { name: "deny", namespace: "shop", uid: "u" },
  spec: {
    podSelector: { matchLabels: {}, matchExpressions: [] },
    policyTypes: ["Ingress"],
    ingress: [],
    egress: [],
  },
};
const WEB: PolicyPod = {
  namespace: "shop",
  name: "web",
  labels: {},
  addresses: ["fdaa::1"],
  ports: [],
};

function world() {
  const state = {
    policies: [DENY],
    pods: [WEB],
    isSynced: true,
    isBroken: false,
    forgotten: 0,
    begun: 0,
    hold: undefined as PromiseWithResolvers<void> | undefined,
  };
  const applied: PolicyTable[] = [];
  const clock = fakeClock();
  const log = memoryLog();
  const keeper = policyKeeper({
    policies: () => state.policies,
    pods: () => state.pods,
    namespaces: () => new Map(),
    isSynced: () => state.isSynced,
    rules: {
      async apply(table) {
        state.begun += 1;
        await state.hold?.promise;
        if (state.isBroken) throw new FksError("Unavailable", "nft failed with code 1: no");
        applied.push(table);
      },
      forget() {
        state.forgotten += 1;
      },
    },
    clock,
    log,
  });
  return { state, applied, clock, log, keeper };
}

async function running<T>(keeper: PolicyKeeper, use: () => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const run = keeper.run(stop.signal);
  try {
    return await use();
  } finally {
    stop.abort();
    await run;
  }
}

test("what policies say is applied at once, and a burst of changes as one", async () => {
  const { applied, clock, keeper, state } = world();
  expect(keeper.waitsFor()).toContain("waiting");
  await running(keeper, async () => {
    await eventually(() => applied.length === 1, { clock });
    expect(keeper.waitsFor()).toBeUndefined();
    expect(applied[0]?.isolations.map(({ address }) => address)).toEqual(["fdaa::1"]);

    state.policies = [];
    for (let i = 0; i < 5; i += 1) keeper.touch();
    await eventually(() => applied.length === 2, { clock });
    expect(applied[1]?.isolations).toEqual([]);
  });
});

test("nothing is applied before everything was seen", async () => {
  const { applied, clock, keeper, state } = world();
  state.isSynced = false;
  await running(keeper, async () => {
    for (let i = 0; i < 20; i += 1) {
      clock.advance(100);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    expect(applied).toEqual([]);
    // Nobody says so: an empty list changes nothing.
    state.isSynced = true;
    await eventually(() => applied.length === 1, { clock });
  });
});

test("what could not be applied is told and tried again", async () => {
  const { applied, clock, keeper, log, state } = world();
  state.isBroken = true;
  await running(keeper, async () => {
    await eventually(() => log.lines.length > 1, { clock });
    expect(keeper.waitsFor()).toContain("nft failed with code 1: no");
    state.isBroken = false;
    await eventually(() => applied.length === 1, { clock });
    expect(keeper.waitsFor()).toBeUndefined();
  });
});

test("in a new place all is applied anew", async () => {
  const { applied, clock, keeper, state } = world();
  await running(keeper, async () => {
    await eventually(() => applied.length === 1, { clock });
    keeper.reload();
    expect(keeper.waitsFor()).toContain("waiting");
    await eventually(() => applied.length === 2, { clock });
    expect(state.forgotten).toBe(1);
    expect(keeper.waitsFor()).toBeUndefined();
  });
});

test("what was being applied when the place changed does not count", async () => {
  const { applied, clock, keeper, state } = world();
  state.hold = Promise.withResolvers<void>();
  await running(keeper, async () => {
    await eventually(() => state.begun === 1, { clock });
    keeper.reload();
    state.hold?.resolve();
    await eventually(() => applied.length === 2, { clock });
    await eventually(() => keeper.waitsFor() === undefined, { clock });
    expect(state.begun).toBe(2);
  });
});
