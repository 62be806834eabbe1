import { expect, test } from "bun:test";
import { claimFor } from "./claim.ts";

const RANGE = "fdaa:1:2:0:1::/112";
const PLAIN = {
  isDryRun: false,
  type: "ClusterIP",
  clusterIP: "",
  ipFamilies: ["IPv6"],
  ipFamilyPolicy: "SingleStack",
};

test.each([
  ["a plain one", {}, { do: "take" }],
  ["one for the outside", { type: "LoadBalancer" }, { do: "take" }],
  [
    "one of both families where there is only one",
    { ipFamilyPolicy: "PreferDualStack" },
    { do: "take" },
  ],
  [
    "one that wants an address of ours",
    { clusterIP: "FDAA:1:2:0:1:0:0:7" },
    { do: "take", wanted: "fdaa:1:2:0:1::7" },
  ],
  ["one that wants another range's", { clusterIP: "fdaa:1:2:0:9::7" }, { do: "pass" }],
  ["a headless one", { clusterIP: "None" }, { do: "pass" }],
  ["a name for something else", { type: "ExternalName" }, { do: "pass" }],
  ["a dry run", { isDryRun: true }, { do: "pass" }],
  ["one for IPv4", { ipFamilies: ["IPv4"] }, { do: "pass" }],
  ["one that must have both families", { ipFamilyPolicy: "RequireDualStack" }, { do: "pass" }],
])("a Service: %s", (_what, part, expected) => {
  expect<object>(claimFor({ ...PLAIN, ...part }, RANGE)).toEqual(expected);
});
