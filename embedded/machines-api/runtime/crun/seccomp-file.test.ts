import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "#core/errors.ts";
import { readProfile } from "./seccomp-file.ts";

let folder: string;

beforeAll(() => {
  const world = mkdtempSync(join(tmpdir(), "fks-seccomp-"));
  folder = join(world, "seccomp");
  mkdirSync(join(folder, "profiles"), { recursive: true });
  writeFileSync(join(world, "outside.json"), JSON.stringify({ defaultAction: "SCMP_ACT_LOG" }));
  symlinkSync("../outside.json", join(folder, "link.json"));
});
afterAll(() => rmSync(join(folder, ".."), { recursive: true }));

function failureOf(path: string, content?: unknown): string {
  if (content !== undefined) {
    const text = typeof content === "string" ? content : JSON.stringify(content);
    writeFileSync(join(folder, path), text);
  }
  try {
    readProfile(folder, path);
    return "";
  } catch (error) {
    return messageOf(error).replaceAll(folder, "F");
  }
}

test("a profile is read as the OCI specification has it", () => {
  const audit = {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [
      {
        names: ["personality"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value: 8, op: "SCMP_CMP_EQ" }],
      },
    ],
  };
  writeFileSync(join(folder, "profiles/audit.json"), JSON.stringify(audit));

  expect(readProfile(folder, "profiles/audit.json")).toEqual(audit);
});

describe("told in the words of a container runtime", () => {
  test("one that is not there", () => {
    const words =
      'cannot load seccomp profile "F/no.json": open F/no.json: no such file or directory';
    expect(failureOf("no.json")).toBe(words);
    expect(failureOf("no/such.json")).toEndWith("no such file or directory");
    expect(messageOf(caught(() => readProfile("/no/such", "a.json")))).toEndWith(
      "open /no/such/a.json: no such file or directory",
    );
  });

  test.each(["../outside.json", "link.json", "/etc/passwd"])("one outside: %s", (path) => {
    expect(failureOf(path)).toEndWith("it is not below F");
  });

  test.each([
    ["broken.json", "{"],
    ["empty.json", {}],
    ["action.json", { defaultAction: "ALLOW" }],
    ["listener.json", { defaultAction: "SCMP_ACT_NOTIFY" }],
    ["names.json", { defaultAction: "SCMP_ACT_LOG", syscalls: [{ action: "SCMP_ACT_LOG" }] }],
  ])("one that is none: %s", (path, content) => {
    expect(failureOf(path, content)).toStartWith(`decoding seccomp profile failed "F/${path}": `);
  });
});

function caught(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
