/**
 * Everything that is generated and kept in the repository. `make golden` writes it, `--check` (part
 * of `make check`) only compares and names what is stale.
 */
const GENERATORS: readonly (readonly string[])[] = [
  ["scripts/pod-fields.ts"],
  ["scripts/golden-cases.ts"],
  ["scripts/k3s-document.ts"],
];

const check = process.argv.includes("--check");
let stale = false;
for (const generator of GENERATORS) {
  const command = [process.execPath, ...generator, ...(check ? ["--check"] : [])];
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  if ((await child.exited) !== 0) stale = true;
}
process.exit(stale ? 1 : 0);
