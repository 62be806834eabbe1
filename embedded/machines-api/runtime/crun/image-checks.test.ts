import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ContainerSpec } from "../runtime.ts";
import { checkProgram } from "./image-checks.ts";

const root = mkdtempSync(join(tmpdir(), "fks-image-checks-"));
mkdirSync(join(root, "bin"));
writeFileSync(join(root, "bin/sh"), "", { mode: 0o755 });
writeFileSync(join(root, "bin/data"), "", { mode: 0o644 });
afterAll(() => rmSync(root, { recursive: true, force: true }));

const VOLUME = { name: "v", kind: "disk", sizeMb: undefined, files: [] } as const;
const mountAt = (path: string) => ({
  volume: VOLUME,
  path,
  readOnly: false,
});
type Wanted = Partial<Pick<ContainerSpec, "args" | "env" | "mounts">>;
const check = ({ args = ["sh"], env = ["PATH=/bin"], mounts = [] }: Wanted): string => {
  try {
    checkProgram(root, { args, env, mounts, cwd: "/" });
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};

test("a program is found as the container would find it", () => {
  expect(check({})).toBe("");
  expect(check({ args: ["bin/sh", "x".repeat(131_071)] })).toBe("");
  expect(check({ args: ["/data/own"], mounts: [mountAt("/data")] })).toBe("");
});

test.each([
  [{ args: [""] }, "no command specified"],
  [{ args: ["zsh"] }, 'exec: "zsh": executable file not found in $PATH'],
  [{ args: ["/bin/zsh"] }, 'exec: "/bin/zsh": no such file or directory'],
  [{ args: ["/bin"] }, 'exec: "/bin": permission denied'],
  [{ args: ["data"] }, 'exec: "data": permission denied'],
  [{ args: ["sh", "a\0b"] }, 'exec: "sh": invalid argument'],
  [{ env: ["A=\0"] }, 'exec: "sh": invalid argument'],
  [{ args: ["sh", "x".repeat(131_072)] }, 'exec: "sh": argument list too long'],
  [
    { env: Array.from({ length: 20 }, () => "x".repeat(120_000)) },
    'exec: "sh": argument list too long',
  ],
  [{ mounts: [mountAt("/bin/..")] }, 'exec: "sh": a mount at / hides the image'],
] satisfies readonly [Wanted, string][])(
  "what cannot be run is told as other runtimes tell it",
  (wanted, sentence) => {
    expect(check(wanted)).toBe(sentence);
  },
);
