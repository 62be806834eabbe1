import { expect, test } from "bun:test";
import { loadConfig } from "../config.ts";
import { outlookFor } from "./engine-outlook.ts";
import { hostChecks } from "./host.ts";

async function kubeOn(engine: "k3s" | "upstream") {
  const config = await loadConfig({ flags: { kubeBin: "/nowhere/kube" }, env: {} });
  const outlook = outlookFor({
    fixed: engine,
    asked: "auto",
    isNamed: false,
    k3s: { from: "path", path: "/usr/bin/k3s" },
    otherK3s: undefined,
  });
  const checks = hostChecks(config, {}, outlook);
  return checks.find(({ id }) => id === "program.kube")?.look(new AbortController().signal);
}

test("the upstream parts' executable is needed by their engine alone", async () => {
  expect(await kubeOn("upstream")).toEqual({
    outcome: "failed",
    observed: "/nowhere/kube is not there",
  });
  expect(await kubeOn("k3s")).toMatchObject({ outcome: "skipped" });
});
