import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubeVersion } from "./kube-version.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-kube-version-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function program(text: string): string {
  const path = join(folder, crypto.randomUUID());
  writeFileSync(path, text, { mode: 0o755 });
  return path;
}
const versionOf = (path: string): Promise<string> =>
  kubeVersion(path, process.env, fakeClock(), new AbortController().signal);

test("an executable from elsewhere is asked what it carries", async () => {
  const asked = program(
    '#!/bin/sh\n[ "$*" = "apiserver --version" ] && echo "Kubernetes v1.35.9"\n',
  );

  expect(await versionOf(asked)).toBe("v1.35.9");
});

test("what is no control plane is refused in a sentence", async () => {
  expect(await versionOf(program("#!/bin/sh\necho hello\n")).catch(String)).toContain(
    "does not carry the control plane's parts",
  );
  expect(await versionOf(program("no program")).catch(String)).toContain("cannot be run");
});
