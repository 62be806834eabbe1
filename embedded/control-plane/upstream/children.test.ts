import { expect, test } from "bun:test";
import { checkOrder, stopBudgetMs } from "#core/supervisor/child.ts";
import { upstreamChildren } from "./children.ts";
import { pkiFilesIn } from "./files.ts";

const CHILDREN = upstreamChildren({
  plan: {
    clusterName: "demo",
    address: "fdaa:1:2:ffff::1",
    port: 6443,
    serviceRange: "fdaa:1:2:0:1::/112",
    kine: { database: "/d/kine/state.db", socket: "/d/run/kine.sock" },
    pki: pkiFilesIn("/d/pki"),
  },
  kube: "/cache/kube",
  env: {},
  addressBy: [],
});

test("the API server starts after its datastore and stops before it, the others around it", () => {
  checkOrder(CHILDREN);
  expect(CHILDREN.map(({ name, after }) => [name, after])).toEqual([
    ["kine", []],
    ["apiserver", ["kine"]],
    ["controller-manager", ["apiserver"]],
    ["scheduler", ["apiserver"]],
  ]);
});

test("stopping the control plane leaves time for the rest of fifteen seconds", () => {
  expect(stopBudgetMs(CHILDREN)).toBeLessThanOrEqual(10_000);
});
