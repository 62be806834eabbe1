import { describe, expect, test } from "bun:test";
import { posix } from "node:path";
import { Glob } from "bun";

/** Which layers each layer may import. ARCHITECTURE.md draws the same picture. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: ["core"],
  adapters: ["core"],
  embedded: ["core"],
  cmd: ["cmd", "core", "adapters", "embedded"],
};

/** The only packages that core may use: pure ones, no I/O. */
const PURE_PACKAGES = new Set(["ipaddr.js"]);

const IMPORT = /\b(?:from|import)\s*\(?\s*"([^"]+)"/g;

/** The room of a path: `core`, `cmd`, or `adapters/flaps`, `embedded/machines-api`. */
function roomOf(path: string): string {
  const [layer = "", room = ""] = path.split("/");
  return layer === "adapters" || layer === "embedded" ? `${layer}/${room}` : layer;
}

/** Where a specifier leads: a path inside the repository, or undefined for a package. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith("#")) return specifier.slice(1);
  return specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : undefined;
}

function isAllowed(file: string, specifier: string): boolean {
  const layer = file.split("/")[0] ?? "";
  const target = targetOf(file, specifier);
  if (target === undefined) return layer !== "core" || PURE_PACKAGES.has(specifier);
  if (roomOf(target) === roomOf(file)) return true;
  if (!target.includes("/")) return target === "package.json";
  return MAY_IMPORT[layer]?.includes(target.split("/")[0] ?? "") === true;
}

describe.each(Object.keys(MAY_IMPORT))("%s/", (layer) => {
  const files = [...new Glob(`${layer}/**/*.ts`).scanSync()].filter((f) => !f.endsWith(".test.ts"));

  test.each(files)("%s imports only what its room may", async (file) => {
    const source = await Bun.file(file).text();
    const specifiers = [...source.matchAll(IMPORT)].map(([, specifier]) => specifier ?? "");

    expect(specifiers.filter((specifier) => !isAllowed(file, specifier))).toEqual([]);
  });
});

/** Where a role is put together; docs/adr/0003 says why there is one file for each. */
const WIRES = new Set(["cmd/kubelet.ts", "cmd/dns.ts", "cmd/proxy.ts"]);

test("only a role's own file names two adapters", async () => {
  const naming: string[] = [];
  for (const file of new Glob("cmd/**/*.ts").scanSync()) {
    if (file.endsWith(".test.ts")) continue;
    if (adaptersIn(await Bun.file(file).text()).size > 1) naming.push(file);
  }

  expect(naming.filter((file) => !WIRES.has(file))).toEqual([]);
});

/** The adapters a file names. The host's clock, log and files are everybody's. */
function adaptersIn(source: string): ReadonlySet<string> {
  const rooms = [...source.matchAll(IMPORT)].map(([, specifier]) =>
    roomOf(specifier?.slice(1) ?? ""),
  );
  return new Set(rooms.filter((room) => room.startsWith("adapters/") && room !== "adapters/host"));
}

test("the gate sees a type import across rooms", () => {
  expect(isAllowed("core/pod/plan.ts", "#adapters/flaps/machines.ts")).toBe(false);
  expect(isAllowed("adapters/flaps/machines.ts", "../kubelet/server.ts")).toBe(false);
  expect(isAllowed("adapters/flaps/machines.ts", "#core/errors.ts")).toBe(true);
  expect(isAllowed("core/pod/plan.ts", "zod")).toBe(false);
});
