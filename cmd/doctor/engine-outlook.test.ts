import { expect, test } from "bun:test";
import { type EngineOutlook, outlookFor } from "./engine-outlook.ts";

type Prospects = Parameters<typeof outlookFor>[0];

const HERE = { from: "path", path: "/usr/bin/k3s" } as const;
const FAR = { from: "download", url: "https://releases/k3s" } as const;
const USUAL: Prospects = {
  fixed: undefined,
  asked: "auto",
  isNamed: false,
  k3s: HERE,
  otherK3s: undefined,
};
const NOWHERE = { from: "nowhere", why: "not for mips" } as const;

test.each([
  ["before the first start, K3s where it is here", {}, "k3s", "it is here"],
  [
    "else K3s where it can be fetched",
    { k3s: FAR },
    "k3s",
    "it can be fetched; where that fails, upstream is taken",
  ],
  ["else the upstream parts", { k3s: NOWHERE }, "upstream", "not for mips"],
  ["beside another K3s the upstream parts", { otherK3s: "taken" }, "upstream", "taken"],
  [
    "the one that is asked for",
    { asked: "upstream" },
    "upstream",
    "asked for by --engine upstream",
  ],
  ["asked for, it is no other", { asked: "k3s", k3s: NOWHERE }, "k3s", "asked for by --engine k3s"],
  [
    "a file that is named has no substitute",
    { isNamed: true, k3s: NOWHERE },
    "k3s",
    "named by --k3s-bin",
  ],
  [
    "later what the first start took",
    { fixed: "upstream" },
    "upstream",
    "fixed at the first start",
  ],
] satisfies readonly [string, Partial<Prospects>, EngineOutlook["engine"], string][])(
  "%s",
  (_, prospects, engine, why) => {
    const outlook = outlookFor({ ...USUAL, ...prospects });

    expect(outlook).toMatchObject({ engine, why });
  },
);

test("only a release's version is known before it is asked", () => {
  expect(outlookFor({ ...USUAL, k3s: HERE }).version).toBeUndefined();
  expect(outlookFor({ ...USUAL, k3s: FAR }).version).toMatch(/^v1\.\d+\.\d+\+k3s\d+$/);
});
