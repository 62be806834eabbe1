import { expect, test } from "bun:test";
import { freePort, portHolder, requireFreePort } from "./ports.ts";

test("a taken port is named with its process, and the search goes on to the next one", async () => {
  using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;

  expect(portHolder(port)).toBe(process.pid);
  expect(await freePort({ host: "127.0.0.1", port })).toBeGreaterThan(port);
  const taken = await requireFreePort({ host: "127.0.0.1", port }).catch(String);
  expect(taken).toMatch(
    new RegExp(`port ${port} of 127.0.0.1 is taken by process ${process.pid} \\(.*bun`),
  );
});
