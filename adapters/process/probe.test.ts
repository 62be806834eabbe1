import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { createServer as createTcpServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HttpsProbe } from "#core/ports/processes.ts";
import { type Issued, type TestCa, testCa } from "#test/fakes/kubelet-pki.ts";
import { probeOnce } from "./probe.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-probe-"));
const servers: Server[] = [];
const never = new AbortController().signal;
let ca: TestCa;
let otherCa: TestCa;
let own: Issued;
let caFile: string;

const fileOf = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

beforeAll(async () => {
  [ca, otherCa] = await Promise.all([testCa("ours"), testCa("another")]);
  own = await ca.server("127.0.0.1");
  caFile = fileOf("ca.crt", ca.cert);
});

afterAll(() => {
  for (const server of servers) server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function portOf(server: Server): Promise<number> {
  servers.push(server);
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Asked {
  readonly path: string | undefined;
  readonly authorization: string | undefined;
  readonly hasOurCertificate: boolean;
}

/** A server that answers the same to everybody and writes down who asked. */
async function serverThat(
  answer: { readonly status?: number; readonly text?: string },
  { key, cert }: Issued = own,
) {
  const asked: Asked[] = [];
  const options = { key, cert, ca: ca.cert, requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, (request, response) => {
    asked.push({
      path: request.url,
      authorization: request.headers.authorization,
      hasOurCertificate: "authorized" in request.socket && request.socket.authorized === true,
    });
    response.writeHead(answer.status ?? 200);
    response.end(answer.text ?? "ok");
  });
  const port = await portOf(server);
  return { asked, url: `https://127.0.0.1:${port}`, port };
}

const ask = (probe: Omit<HttpsProbe, "kind">) => probeOnce({ kind: "https", ...probe }, never);

test("a server is asked with our certificate, or with the password of the moment", async () => {
  const { url, asked } = await serverThat({});
  const client = await ca.client([{ CN: ["system:admin"] }]);
  const admin = { cert: fileOf("admin.crt", client.cert), key: fileOf("admin.key", client.key) };
  expect(await ask({ url: `${url}/readyz`, ca: caFile, ...admin })).toEqual({ outcome: "ready" });

  const passwordFile = fileOf("token", "first\n");
  const basic = { user: "node", passwordFile };
  await ask({ url, ca: caFile, basic });
  writeFileSync(passwordFile, "second");
  await ask({ url, ca: caFile, basic });
  expect(asked).toEqual([
    { path: "/readyz", authorization: undefined, hasOurCertificate: true },
    { path: "/", authorization: `Basic ${btoa("node:first")}`, hasOurCertificate: false },
    { path: "/", authorization: `Basic ${btoa("node:second")}`, hasOurCertificate: false },
  ]);
});

test("a password is told to nobody who has not proved to be the server we mean", async () => {
  const { url, asked } = await serverThat({}, await otherCa.server("127.0.0.1"));
  const basic = { user: "node", passwordFile: fileOf("token", "s3cr3t") };

  for (const proof of [{ ca: caFile }, {}]) {
    expect(await ask({ url, ...proof, basic })).toEqual({
      outcome: "silent",
      reason: "its certificate is not signed by the CA that it should be",
    });
  }
  expect(asked).toEqual([]);
  // Without a secret of ours and without a CA anybody is believed.
  expect(await ask({ url })).toEqual({ outcome: "ready" });
});

test.each([
  [401, '{"kind":"Status","message":"Unauthorized","code":401}', "refuses our credentials (401)"],
  [403, "forbidden", "refuses our credentials (403)"],
  [503, "starting\n", "answers 503: starting"],
  [503, "", "answers 503"],
  [
    503,
    '{"kind":"Status","message":"apiserver not ready","reason":"ServiceUnavailable"}',
    "answers 503: apiserver not ready",
  ],
  [503, '{"reason":"waits for the API server"}', "waits for the API server"],
  [500, "[+]ping ok\n[-]etcd failed: reason withheld\n", "not ready: etcd"],
  [302, "", "answers 302"],
  [500, '{"reason":{}}', "answers 500"],
  [500, "null", "answers 500: null"],
  [500, `a\u0007b ${"x".repeat(400)}`, `answers 500: a b ${"x".repeat(283)}`],
])("an answer %d %j is no yes, and is told in words", async (status, text, reason) => {
  const { url } = await serverThat({ status, text });

  expect(await ask({ url, ca: caFile })).toEqual({ outcome: "unready", reason });
});

test("files that a first start has not written yet are waited for", async () => {
  const { url, asked } = await serverThat({});
  const missing = join(folder, "later.crt");
  const empty = fileOf("empty.crt", "");
  const noToken = join(folder, "no-token");

  expect(await ask({ url, ca: missing })).toEqual({
    outcome: "silent",
    reason: `has not written ${missing} yet`,
  });
  expect(await ask({ url, ca: caFile, cert: empty, key: empty })).toMatchObject({
    reason: `has not written ${empty} yet`,
  });
  const basic = { user: "node", passwordFile: noToken };
  expect(await ask({ url, ca: caFile, basic })).toMatchObject({
    reason: `has not written ${noToken} yet`,
  });
  expect(asked).toEqual([]);
});

test("files that cannot be used are told apart from a server that is not there", async () => {
  const { url } = await serverThat({});
  const half = fileOf("half.crt", ca.cert.slice(0, 200));
  const one = await ca.client([{ CN: ["one"] }]);
  const two = await ca.client([{ CN: ["two"] }]);
  const mixed = { cert: fileOf("one.crt", one.cert), key: fileOf("two.key", two.key) };

  for (const files of [{ ca: half }, { ca: caFile, ...mixed }]) {
    const result = await ask({ url, ...files });
    expect(result).toMatchObject({ outcome: "silent" });
    expect(result).toHaveProperty("reason", expect.stringContaining("cannot be asked with these"));
  }
});

test("a certificate that does not verify is told with what is wrong about it", async () => {
  const { port } = await serverThat({});
  const expired = await serverThat({}, await ca.server("127.0.0.1", { expired: true }));

  expect(await ask({ url: `https://localhost:${port}`, ca: caFile })).toEqual({
    outcome: "silent",
    reason: "its certificate is for another address",
  });
  expect(await ask({ url: expired.url, ca: caFile })).toEqual({
    outcome: "silent",
    reason: "its certificate has expired",
  });
});

test("who is not there, hangs up or speaks no TLS is silent", async () => {
  const hangsUp = await portOf(createTcpServer((socket) => socket.destroy()));
  const plain = await portOf(createTcpServer((socket) => socket.end("HTTP/1.1 400 No\r\n\r\n")));
  const gone = createTcpServer();
  const nobody = await portOf(gone);
  gone.close();
  const reasons = await Promise.all(
    [hangsUp, plain, nobody].map((port) => ask({ url: `https://127.0.0.1:${port}`, ca: caFile })),
  );

  expect(reasons).toEqual(
    ["closes the connection", "the TLS handshake with it fails", "does not listen yet"].map(
      (reason) => ({ outcome: "silent", reason }),
    ),
  );
});

test("a question that is given up throws, whatever it waited for", async () => {
  const port = await portOf(createTcpServer(() => {}));
  const signal = AbortSignal.timeout(20);
  const url = `https://127.0.0.1:${port}`;

  const given = await probeOnce({ kind: "https", url, ca: caFile }, signal).catch(String);
  expect(given).toContain("timed out");
});
