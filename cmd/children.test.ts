import { expect, test } from "bun:test";
import { checkOrder, stopBudgetMs } from "#core/supervisor/child.ts";
import { upstreamChildren } from "#embedded/control-plane/upstream/children.ts";
import { pkiFilesIn } from "#embedded/control-plane/upstream/files.ts";
import { roleChildren } from "./children.ts";

const SELF = {
  command: ["/bin/fks-node"],
  env: {},
  socketOf: (role: string): string => `/d/run/${role}.sock`,
};
const controlPlane = (addressBy: readonly string[]) =>
  upstreamChildren({
    plan: {
      clusterName: "demo",
      address: "fdaa:1:2:ffff::1",
      port: 6443,
      serviceRange: "fdaa:1:2:0:1::/112",
      kine: { database: "/d/kine/state.db", socket: "/d/run/kine.sock" },
      pki: pkiFilesIn("/d/pki"),
    },
    kube: "kube",
    env: {},
    addressBy,
  });

test("the whole of serve stops within fifteen seconds at worst", () => {
  const { first, last } = roleChildren(SELF, "embedded", "apiserver");
  const all = [...first, ...controlPlane(["machines-api"]), ...last];

  checkOrder(all);
  expect(stopBudgetMs(all)).toBeLessThanOrEqual(14_000);
});

test("Machines on Fly need neither an embedded Machines API nor a resolver of ours", () => {
  const { first, last } = roleChildren(SELF, "fly", "apiserver");

  expect([...first, ...last].map(({ name }) => name)).toEqual(["kubelet", "cloud-controller"]);
});
