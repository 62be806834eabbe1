import { expect, test } from "bun:test";
import { createServer } from "node:tls";
import { fakeClock } from "#test/fakes/clock.ts";
import { testCa } from "#test/fakes/kubelet-pki.ts";
import { type Credentials, kubernetesClient } from "./client.ts";
import { ignored } from "./decode.ts";

const never = new AbortController().signal;

test("the API server sees the certificate of this identity, after a rotation the new one", async () => {
  const ca = await testCa("ca");
  await using server = await namingServer(await ca.server("127.0.0.1"), ca.cert);
  const [first, second] = await Promise.all([
    ca.client([{ CN: ["first"] }]),
    ca.client([{ CN: ["second"] }]),
  ]);
  let credentials: Credentials = first;
  const client = kubernetesClient({
    server: server.url,
    ca: ca.cert,
    credentials: () => credentials,
    clock: fakeClock(),
  });
  await client.get("/", ignored, never);
  credentials = second;
  await client.get("/", ignored, never);
  client.close();
  expect(server.names).toEqual(["first", "second"]);
});

test("an API server of another cluster is not talked to", async () => {
  const [ca, other] = await Promise.all([testCa("ca"), testCa("other")]);
  await using server = await namingServer(await other.server("127.0.0.1"), ca.cert);
  const credentials = await ca.client([{ CN: ["first"] }]);
  const client = kubernetesClient({
    server: server.url,
    ca: ca.cert,
    credentials: () => credentials,
    clock: fakeClock(),
  });
  const error = await client.get("/", ignored, never).catch((err: unknown) => err);
  expect(error).toMatchObject({ code: "Unavailable" });
  expect(server.names).toEqual([]);
});

/** Answers every request with `{}` and remembers the name in each caller's certificate. */
async function namingServer(pair: { readonly cert: string; readonly key: string }, ca: string) {
  const names: string[] = [];
  const server = createServer(
    { ...pair, ca, requestCert: true, rejectUnauthorized: true },
    (socket) => {
      socket.on("data", () => {
        const { CN } = socket.getPeerCertificate().subject;
        names.push(String(CN));
        socket.write(
          "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        );
      });
      socket.on("error", () => {});
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `https://127.0.0.1:${port}`,
    names,
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}
