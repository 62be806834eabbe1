import { expect, test } from "bun:test";
import { installCommandFor, missingPrograms, packageManagerOf } from "./system-packages.ts";

test("a host without nft and conmon is told the one command that installs both", () => {
  const missing = missingPrograms((program) => program !== "nft" && program !== "conmon");

  expect(installCommandFor(missing, "apt-get")).toEqual([
    "apt-get",
    "install",
    "-y",
    "--no-install-recommends",
    "conmon",
    "nftables",
  ]);
});

test("a host that has everything needs nothing", () => {
  expect(missingPrograms(() => true)).toEqual([]);
});

test("the host's own package manager is found", () => {
  expect(packageManagerOf((program) => program === "apk")).toBe("apk");
  expect(packageManagerOf(() => false)).toBeUndefined();
});
