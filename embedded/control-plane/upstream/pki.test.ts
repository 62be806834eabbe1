import { afterAll, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { hostClock } from "#adapters/host/clock.ts";
import type { Clock } from "#core/ports/clock.ts";
import { CA_NAMES, LEAF_NAMES, type PkiFiles, pkiFilesIn } from "./files.ts";
import { ensurePki } from "./pki.ts";

const folder = mkdtempSync(join(tmpdir(), "fks-pki-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ADDRESSES = ["fdaa:1:2:ffff::1", "fdaa:1:2:0:1::1"];
const DAY_MS = 86_400_000;
const clock = hostClock();
const inDays = (days: number): Clock => ({ ...clock, now: () => clock.now() + days * DAY_MS });
const freshFiles = (): PkiFiles => pkiFilesIn(join(folder, crypto.randomUUID()));
const text = (path: string): string => readFileSync(path, "utf8");
const certificate = (path: string) => new X509Certificate(readFileSync(path));

test("everything is made once, for its owner's eyes only", async () => {
  const files = freshFiles();
  expect(await ensurePki({ files, addresses: ADDRESSES, clock })).toEqual([...LEAF_NAMES]);
  const before = readFileSync(files.pair("admin").cert, "utf8");

  expect(await ensurePki({ files, addresses: ADDRESSES, clock })).toEqual([]);
  expect(readFileSync(files.pair("admin").cert, "utf8")).toBe(before);
  for (const name of [...CA_NAMES, ...LEAF_NAMES]) {
    expect(statSync(files.pair(name).key).mode & 0o777).toBe(0o600);
  }
  expect(readFileSync(files.serviceAccountPublicKey, "utf8")).toStartWith("-----BEGIN PUBLIC KEY");
});

test("the API server is known by its address, the service's and its names", async () => {
  const files = freshFiles();
  await ensurePki({ files, addresses: ADDRESSES, clock });
  const leaf = certificate(files.pair("apiserver").cert);

  expect(leaf.verify(certificate(files.pair("server-ca").cert).publicKey)).toBe(true);
  for (const address of ADDRESSES) expect(leaf.checkIP(address)).toBeDefined();
  expect(leaf.checkHost("kubernetes.default.svc.cluster.local")).toBeDefined();
  expect(leaf.checkHost("localhost")).toBeUndefined();
  const admin = certificate(files.pair("admin").cert);
  expect(admin.subject).toBe("O=system:masters\nCN=fks-admin");
  expect(admin.verify(certificate(files.pair("client-ca").cert).publicKey)).toBe(true);
});

test("a leaf is issued anew for another address, and after 70 % of its life", async () => {
  const files = freshFiles();
  await ensurePki({ files, addresses: ADDRESSES, clock });

  expect(await ensurePki({ files, addresses: ["fdaa:9:9:ffff::1"], clock })).toEqual(["apiserver"]);
  expect(await ensurePki({ files, addresses: ["fdaa:9:9:ffff::1"], clock: inDays(250) })).toEqual(
    [],
  );
  const renewed = await ensurePki({ files, addresses: ADDRESSES, clock: inDays(260) });
  expect(renewed).toHaveLength(LEAF_NAMES.length);
});

test("a lost authority key is not replaced in silence", async () => {
  const files = freshFiles();
  await ensurePki({ files, addresses: ADDRESSES, clock });
  rmSync(files.pair("client-ca").key);

  expect(await ensurePki({ files, addresses: ADDRESSES, clock }).catch(String)).toContain(
    "client-ca.key is missing",
  );
});

test("two ends with these certificates speak TLS with each other", async () => {
  const files = freshFiles();
  await ensurePki({ files, addresses: ["127.0.0.1"], clock });
  const [serving, admin] = [files.pair("apiserver"), files.pair("admin")];
  const accepted = Promise.withResolvers<TLSSocket>();
  const server = createServer(
    {
      cert: text(serving.cert),
      key: text(serving.key),
      ca: text(files.pair("client-ca").cert),
      requestCert: true,
      rejectUnauthorized: true,
    },
    accepted.resolve,
  );
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  const client = connect({
    host: "127.0.0.1",
    port: typeof address === "object" && address !== null ? address.port : 0,
    ca: text(files.pair("server-ca").cert),
    cert: text(admin.cert),
    key: text(admin.key),
  });
  const peer = await accepted.promise;

  expect(peer.getPeerCertificate().subject.CN).toBe("fks-admin");
  client.destroy();
  peer.destroy();
  server.close();
});
