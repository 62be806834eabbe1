import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { ensureControllerRole } from "./controller-role.ts";
import { k3sFilesIn } from "./files.ts";

const root = mkdtempSync(join(tmpdir(), "fks-k3s-role-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("a K3s without manifests gets its controller's role and binding", async () => {
  const files = k3sFilesIn(join(root, "built"));
  await ensureControllerRole(files);
  const names = readdirSync(files.manifests);
  const text = readFileSync(join(files.manifests, "fks-rolebindings.yaml"), "utf8");
  const [role, binding] = parseAllDocuments(text).map((document) => document.toJS());

  // K3s makes an object of each file, with the file's name.
  expect(names).toEqual(["fks-rolebindings.yaml"]);
  expect(role).toMatchObject({ kind: "ClusterRole", metadata: { name: "system:k3s-controller" } });
  expect(role.rules.flatMap((rule: { resources: string[] }) => rule.resources).toSorted()).toEqual([
    "endpoints",
    "endpointslices",
    "namespaces",
    "networkpolicies",
    "nodes",
    "pods",
    "services",
  ]);
  for (const { verbs } of role.rules) expect(verbs).toEqual(["get", "list", "watch"]);
  expect(binding).toMatchObject({
    kind: "ClusterRoleBinding",
    roleRef: { kind: "ClusterRole", name: "system:k3s-controller" },
    subjects: [{ kind: "User", name: "system:k3s-controller" }],
  });
});

test("a K3s that brings its own keeps them alone", async () => {
  const files = k3sFilesIn(join(root, "release"));
  mkdirSync(files.manifests, { recursive: true });
  writeFileSync(join(files.manifests, "rolebindings.yaml"), "its own");
  writeFileSync(join(files.manifests, "fks-rolebindings.yaml"), "of an earlier K3s");
  await ensureControllerRole(files);

  expect(readdirSync(files.manifests)).toEqual(["rolebindings.yaml"]);
});
