import { expect, test } from "bun:test";
import { parse } from "yaml";
import { mergeKubeconfig, removeFromKubeconfig } from "./kubeconfig-merge.ts";

const kubeconfig = (name: string, server: string, current = name): string => `apiVersion: v1
kind: Config
clusters:
  - name: ${name}
    cluster: { server: "${server}" }
users:
  - name: ${name}
    user: { token: t }
contexts:
  - name: ${name}
    context: { cluster: ${name}, user: ${name} }
current-context: ${JSON.stringify(current)}
`;

const OURS = kubeconfig("fks-local", "https://[fdaa::1]:6443");
const WORK = kubeconfig("work", "https://work").replace(
  "  - name: work",
  "  # do not touch\n  - name: work",
);
const merge = (files: { path: string; text: string | undefined }[], switchContext = false) =>
  mergeKubeconfig({
    files,
    newEntriesIn: files[0]?.path ?? "",
    addition: OURS,
    switchContext,
  });
const serversIn = (text: string | undefined): string[] =>
  parse(text ?? "").clusters.map(({ cluster }: { cluster: { server: string } }) => cluster.server);

test("a user without a kubeconfig gets one, with our context as the current one", () => {
  const [file, ...more] = merge([{ path: "config", text: undefined }]);

  expect(more).toEqual([]);
  expect(parse(file?.text ?? "")).toEqual(parse(OURS));
});

test("other entries, comments and the current context are left alone", () => {
  const [file] = merge([{ path: "config", text: WORK }]);

  expect(serversIn(file?.text)).toEqual(["https://work", "https://[fdaa::1]:6443"]);
  expect(file?.text).toContain("# do not touch");
  expect(parse(file?.text ?? "")["current-context"]).toBe("work");
});

test("the current context changes when asked for", () => {
  const [file] = merge([{ path: "config", text: WORK }], true);

  expect(parse(file?.text ?? "")["current-context"]).toBe("fks-local");
});

test("an entry is replaced in the file that holds it, and the same again changes nothing", () => {
  const old = kubeconfig("fks-local", "https://[fdaa::9]:6443", "");
  const files = [
    { path: "first", text: WORK },
    { path: "second", text: old },
  ];
  const changed = merge(files);

  expect(changed.map(({ path }) => path)).toEqual(["second"]);
  expect(serversIn(changed[0]?.text)).toEqual(["https://[fdaa::1]:6443"]);
  expect(merge([{ path: "first", text: WORK }, ...changed])).toEqual([]);
});

test("removing takes ours away and nothing else", () => {
  const [merged] = merge([{ path: "config", text: WORK }], true);
  const [file] = removeFromKubeconfig([{ path: "config", text: merged?.text }], "fks-local");

  expect(parse(file?.text ?? "")).toEqual({ ...parse(WORK), "current-context": "" });
  expect(removeFromKubeconfig([{ path: "config", text: WORK }], "fks-local")).toEqual([]);
});

test("a file that is no kubeconfig is named and not overwritten", () => {
  expect(() => merge([{ path: "config", text: "just words" }])).toThrow("config is no kubeconfig");
  expect(() => merge([{ path: "config", text: "a: [" }])).toThrow("config:1: ");
});
