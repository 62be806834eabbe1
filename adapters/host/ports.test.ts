import { expect, test } from "bun:test";
import { join } from "node:path";
import { portChoice, portHolder, requireFreePort } from "./ports.ts";

/** A listener that closes with the test. */
function listening(port: number) {
  return Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
}

test("a taken port is named with its process, and the search goes on to the next one", async () => {
  using server = listening(0);
  const { port } = server;

  expect(portHolder({ host: "127.0.0.1", port })).toBe(process.pid);
  const listen = await portChoice({ host: "127.0.0.1", wanted: undefined, first: port });
  using next = listen(listening);
  expect(next.port).toBeGreaterThan(port);
  const taken = await requireFreePort({ host: "127.0.0.1", port }).catch(String);
  expect(taken).toMatch(
    new RegExp(`port ${port} of 127.0.0.1 is taken by process ${process.pid} \\(.*bun`),
  );
});

test("two who look for a port at the same moment both get one", async () => {
  using first = listening(0);
  const choice = { host: "127.0.0.1", wanted: undefined, first: first.port };
  const [one, two] = await Promise.all([portChoice(choice), portChoice(choice)]);
  using a = one(listening);
  using b = two(listening);

  expect(b.port).toBeGreaterThan(a.port);
});

const PROGRAM = join(import.meta.dir, "../../test/programs/shares-port.ts");

/** A process of its own that listens and would share its port with anybody. */
async function sharing(host: string, at = 0) {
  const command = [process.execPath, PROGRAM, host, String(at)];
  const child = Bun.spawn(command, { stdin: "pipe", stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  return {
    pid: child.pid,
    port: Number(Buffer.from(value ?? []).toString()),
    async [Symbol.asyncDispose]() {
      await child.stdin.end();
      await child.exited;
    },
  };
}

const freeOr = (host: string, port: number) =>
  requireFreePort({ host, port }).then(() => "free", String);

test("who would share its port has taken it all the same", async () => {
  await using orphan = await sharing("127.0.0.1");
  const { port } = orphan;
  // As a second K3s would do it, and nobody would notice.
  await using second = await sharing("127.0.0.1", port);

  expect(second.port).toBe(port);
  expect(await freeOr("127.0.0.1", port)).toMatch(
    new RegExp(`taken by process (${orphan.pid}|${second.pid}) \\(.*shares-port`),
  );
});

// Nobody has fdaa::77 here; it stands for an address that a child makes later.
test.each([
  ["127.0.0.1", { taken: ["127.0.0.1", "0.0.0.0", "::"], free: ["127.0.0.2", "fdaa::77"] }],
  ["0.0.0.0", { taken: ["127.0.0.1", "0.0.0.0", "::", "192.0.2.77"], free: ["fdaa::77"] }],
  ["::", { taken: ["127.0.0.1", "0.0.0.0", "::", "fdaa::77", "192.0.2.77"], free: [] }],
])("who listens on %s is in the way of the addresses that are among it", async (host, it) => {
  await using other = await sharing(host);
  const { pid, port } = other;

  for (const wanted of it.taken) {
    expect(await freeOr(wanted, port)).toContain(
      `port ${port} of ${wanted} is taken by process ${pid} (`,
    );
  }
  for (const wanted of it.free) expect(await freeOr(wanted, port)).toBe("free");
});

test("of two who listen on one port the one that is in the way is named", async () => {
  await using other = await sharing("127.0.0.1");
  const { port } = other;
  using _ = Bun.listen({ hostname: "127.0.0.2", port, socket: { data() {} } });

  expect(await freeOr("127.0.0.1", port)).toContain(`by process ${other.pid} `);
  expect(await freeOr("127.0.0.2", port)).toContain(`by process ${process.pid} `);
});
