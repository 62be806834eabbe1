/** What holds for any K3s, a real one too: other processes in its way, tokens, executables. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { processIdentity } from "#adapters/host/process-identity.ts";
import { type Host, ownHost, pidOf } from "./host.ts";

const isAlive = (pid: number): boolean => processIdentity(pid) !== undefined;

/** Listens somewhere in the host's network. */
async function listener(host: Host, hostname: string, port: number): Promise<Bun.Subprocess> {
  const script = `Bun.listen({ hostname: "${hostname}", port: ${port}, socket: { data() {} } }); console.log("up")`;
  const child = Bun.spawn([...host.insideCommand([process.execPath, "-e", script])], {
    stdout: "pipe",
  });
  await child.stdout.getReader().read();
  return child;
}

describe.concurrent("K3s on a host with others", () => {
  test("a port that somebody took meanwhile is refused by name", async () => {
    await using host = await ownHost();
    const first = host.start(["control-plane"]);
    await first.ready();
    await first.stop();
    for (const [address, port] of [
      ["127.0.0.1", 6443],
      ["::1", 6444],
    ] as const) {
      const other = await listener(host, address, port);
      const life = host.start(["control-plane"]);
      expect(await life.ended()).toBe(4);
      const name = `port ${port} of ${address} is taken by process ${other.pid} (${process.execPath} -e `;
      expect(life.output()).toContain(`fks-node: ${name}`);
      other.kill();
      await other.exited;
    }
  });

  test("ports that somebody has at the first start are left to them", async () => {
    await using host = await ownHost();
    const others = [await listener(host, "127.0.0.1", 6443), await listener(host, "::1", 6446)];
    const life = host.start(["control-plane"]);
    await life.ready();
    expect(life.output()).toMatch(/^ {2}API +https:\/\/\[fdaa:[^\]]+\]:6447, k3s v/m);
    expect((await host.kubectl("get", "--raw", "/readyz")).stdout).toBe("ok");
    for (const other of others) other.kill();
  });

  test.each([
    ["as it was written down", false, "k3s"],
    ["although nobody wrote it down", true, "\\S*k3s\\S* server(, .*)?"],
  ])("one that a killed serve left is ended before another starts, %s", async (...given) => {
    const [, isForgotten, name] = given;
    await using host = await ownHost();
    const first = host.start(["control-plane"]);
    await first.ready();
    const orphan = await pidOf(host);
    await first.kill();
    expect(isAlive(orphan)).toBe(true);
    if (isForgotten) rmSync(join(host.dataDir, "run/children.json"));

    const second = host.start(["control-plane"]);
    await second.ready();
    expect(second.output()).toMatch(
      new RegExp(`ended what a killed predecessor left: ${name}$`, "m"),
    );
    expect(isAlive(orphan)).toBe(false);
    expect(second.output()).not.toContain("died");
    expect((await host.kubectl("get", "--raw", "/readyz")).stdout).toBe("ok");
  });

  test("a stranger on the datastore is named, and nothing is started beside it", async () => {
    await using host = await ownHost();
    const first = host.start(["control-plane"]);
    await first.ready();
    await first.stop();
    const database = join(host.dataDir, "k3s/server/db/state.db");
    const stranger = Bun.spawn(["sh", "-c", `exec sleep 600 3>>${database}`]);

    const life = host.start(["control-plane"]);
    expect(await life.ended()).toBe(4);
    expect(life.output()).toEndWith(
      `fks-node: process ${stranger.pid} (sleep 600) has ${database} open: end it first\n`,
    );
    const doctor = await host.fks("doctor");
    expect(doctor.stdout).toMatch(
      new RegExp(`^✗ control-plane\\.strangers +process ${stranger.pid} \\(sleep 600\\)$`, "m"),
    );
    stranger.kill();
    await stranger.exited;
  });

  test("a token that is not the datastore's is refused before anything starts, and by K3s where nobody else can tell", async () => {
    await using host = await ownHost();
    const first = host.start(["control-plane"]);
    await first.ready();
    await first.stop();
    const ours = join(host.dataDir, "tokens/k3s");
    const theirs = join(host.dataDir, "k3s/server/token");
    const right = readFileSync(ours, "utf8");

    writeFileSync(ours, "0123456789abcdef");
    const refused = host.start(["control-plane"]);
    expect(await refused.ended()).toBe(5);
    expect(refused.output()).toEndWith(
      `fks-node: ${ours} and ${theirs} hold different tokens, and the datastore can be read with one of them only: move the wrong one away\n`,
    );

    rmSync(theirs);
    const given = host.start(["control-plane"]);
    expect(await given.ended()).toBe(5);
    expect(given.output()).toMatch(
      /^fks-node: the datastore was written with another token than tokens\/k3s: bring both back from one backup with fks-node restore \(k3s died 3 times, at last: exited with 1: .*bootstrap data already found and encrypted with different token\)$/m,
    );

    writeFileSync(ours, right);
    await host.start(["control-plane"]).ready();
  });

  test("one of another make that knows not all of our flags ends serve with one sentence", async () => {
    await using host = await ownHost();
    const folder = join(host.folder, "other");
    mkdirSync(folder);
    const other = join(folder, "k3s");
    // As if one of our flags were unknown to it.
    const script = `#!/bin/sh\n[ "$1" = server ] && set -- "$@" --not-known-to-it\nexec ${host.engine.program} "$@"\n`;
    writeFileSync(other, script, { mode: 0o755 });
    const life = host.start(["control-plane"], { env: { FKS_K3S_BIN: other } });
    expect(await life.ended()).toBe(9);
    expect(life.output()).toMatch(
      /^fks-node: this K3s does not know an argument of ours: take one of Kubernetes 1\.34 to 1\.37, or leave out --k3s-bin to get the pinned one \(k3s died 3 times, at last: exited with 1: .*flag provided but not defined: -not-known-to-it\)$/m,
    );
    const none = host.start(["control-plane"], { env: { FKS_K3S_BIN: "/nowhere/k3s" } });
    expect(await none.ended()).toBe(3);
    expect(none.output()).toEndWith(
      "fks-node: --k3s-bin names /nowhere/k3s, which is not an executable file\n",
    );
  });
});
