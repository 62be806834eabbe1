import { expect, test } from "bun:test";
import { portChoice, portHolder, requireFreePort } from "./ports.ts";

/** A listener that closes with the test. */
function listening(port: number) {
  return Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } });
}

test("a taken port is named with its process, and the search goes on to the next one", async () => {
  using server = listening(0);
  const { port } = server;

  expect(portHolder(port)).toBe(process.pid);
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
