import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { issueCa, issueLeaf } from "../upstream/certificates.ts";
import { leavesIn, restartReasonFor } from "./certificates.ts";
import { k3sFilesIn } from "./files.ts";

const root = mkdtempSync(join(tmpdir(), "fks-k3s-certificates-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const DAY_MS = 86_400_000;
const ISSUED_MS = Date.UTC(2026, 10, 22);
const inDays = (days: number): number => ISSUED_MS + days * DAY_MS;
const leaf = (name: string, endsInDays: number) => ({ name, endsAtMs: inDays(endsInDays) });

test("leaves are told from authorities, chains and half files, the oldest first", async () => {
  const files = k3sFilesIn(root);
  const ca = await issueCa("k3s-server-ca", new Date(ISSUED_MS));
  const caText = ca.certificate.toString("pem");
  const client = { commonName: "x", usage: "client" as const, names: [] };
  const older = await issueLeaf(ca, client, new Date(inDays(-10)));
  const newer = await issueLeaf(ca, client, new Date(ISSUED_MS));
  mkdirSync(files.tls, { recursive: true });
  const contents = {
    "server-ca.crt": caText,
    "server-ca.nochain.crt": caText,
    "client-admin.crt": `${newer.cert}${caText}\n`,
    "client-scheduler.crt": older.cert,
    "client-controller.crt": "-----BEGIN CERTIFICATE-----\nMII",
    "client-scheduler.key": older.key,
  };
  for (const [name, text] of Object.entries(contents)) writeFileSync(join(files.tls, name), text);

  expect(await leavesIn(files)).toEqual([
    leaf("client-scheduler.crt", 355),
    leaf("client-admin.crt", 365),
  ]);
  expect(await leavesIn(k3sFilesIn(join(root, "nothing")))).toEqual([]);
});

test("K3s is started anew once its certificates can be renewed by that, and not before", () => {
  const leaves = [leaf("client-admin.crt", 365)];
  const reasonOn = (day: number) =>
    restartReasonFor(leaves, { sinceMs: ISSUED_MS, nowMs: inDays(day) });

  expect(reasonOn(0)).toBeUndefined();
  expect(reasonOn(280)).toBeUndefined();
  expect(reasonOn(280.5)).toBe(
    "certificate client-admin.crt ends in 84 days and is renewed by a start alone",
  );
});

test("a certificate that a start did not renew does not restart K3s again and again", () => {
  const leaves = [leaf("left-over.crt", 80)];

  expect(restartReasonFor(leaves, { sinceMs: inDays(0), nowMs: inDays(30) })).toBeUndefined();
  // It hides none of the others.
  const both = [...leaves, leaf("client-admin.crt", 110)];
  expect(restartReasonFor(both, { sinceMs: inDays(0), nowMs: inDays(30) })).toContain(
    "client-admin.crt ends in 80 days",
  );
});
