import { expect, test } from "bun:test";
import { checkOrder, stopBudgetMs } from "#core/supervisor/child.ts";
import { k3sArgs } from "./args.ts";
import { type K3sChild, k3sChild } from "./children.ts";
import { k3sFilesIn } from "./files.ts";

const GIVEN: K3sChild = {
  plan: {
    clusterName: "demo",
    address: "fdaa:1:2:ffff::1",
    port: 6445,
    serviceRange: "fdaa:1:2:0:1::/112",
  },
  files: k3sFilesIn("/d/k3s"),
  tokenFile: "/d/tokens/k3s",
  minor: 36,
  isRoot: true,
  program: "/cache/k3s",
  env: { PATH: "/bin" },
  addressBy: ["machines-api"],
  startTimeoutMs: 120_000,
  databaseBytes: () => 0,
};

test("K3s is one child: its executable, its arguments, its folder, its environment", () => {
  const child = k3sChild(GIVEN);

  expect(child).toMatchObject({
    name: "k3s",
    command: ["/cache/k3s", ...k3sArgs(GIVEN)],
    env: { PATH: "/bin" },
    cwd: "/d/k3s",
    after: ["machines-api"],
  });
  expect(() => checkOrder([child])).toThrow("machines-api");
});

test("it is ready when its supervisor, the API and its controllers are, asked in turn", () => {
  const ca = "/d/k3s/server/tls/server-ca.crt";
  const https = { kind: "https" as const, ca };

  expect(k3sChild(GIVEN).probe).toEqual({
    kind: "in-turn",
    steps: [
      {
        what: "its supervisor",
        probe: { ...https, url: "https://[fdaa:1:2:ffff::1]:6445/ping" },
      },
      {
        what: "the API",
        probe: {
          ...https,
          url: "https://[fdaa:1:2:ffff::1]:6445/readyz",
          cert: "/d/k3s/server/tls/client-admin.crt",
          key: "/d/k3s/server/tls/client-admin.key",
        },
      },
      {
        what: "its controllers",
        probe: {
          ...https,
          url: "https://[fdaa:1:2:ffff::1]:6445/v1-k3s/readyz",
          basic: { user: "node", passwordFile: "/d/tokens/k3s" },
        },
      },
    ],
  });
});

test("a large database is given the time to be written anew at each start", () => {
  let bytes = 0;
  const child = k3sChild({ ...GIVEN, databaseBytes: () => bytes });
  expect(child.readyTimeoutMs?.()).toBe(120_000);
  bytes = 4_400_000_000;

  expect(child.readyTimeoutMs?.()).toBe(560_000);
});

test("stopping it leaves time for the rest of fifteen seconds", () => {
  expect(stopBudgetMs([k3sChild({ ...GIVEN, addressBy: [] })])).toBeLessThanOrEqual(10_000);
});

test("what no new start cures ends it", () => {
  const reason = "exited with 1: flag provided but not defined: -x";

  expect(k3sChild(GIVEN).giveUp?.({ reason, deaths: 3, hasBeenReady: false })?.code).toBe(
    "Unsupported",
  );
});
