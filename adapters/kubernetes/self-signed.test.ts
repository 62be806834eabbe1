import { expect, test } from "bun:test";
import type { KeyPair } from "./certificates.ts";
import { selfSigned } from "./self-signed.ts";

const SPEC = { name: "webhook", commonName: "webhook", address: "127.0.0.1" };
const DAY_MS = 24 * 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);

test("a certificate is kept until most of its year is over, or it is for another address", async () => {
  const pairs = new Map<string, KeyPair>();
  const store = {
    load: async (name: string) => pairs.get(name),
    save: async (name: string, pair: KeyPair) => void pairs.set(name, pair),
  };
  const first = await selfSigned(SPEC, store, START_MS);
  expect(await selfSigned(SPEC, store, START_MS + 200 * DAY_MS)).toEqual(first);
  const second = await selfSigned(SPEC, store, START_MS + 300 * DAY_MS);
  expect(second.cert).not.toBe(first.cert);
  expect(await selfSigned({ ...SPEC, address: "::1" }, store, START_MS + 300 * DAY_MS)).not.toEqual(
    second,
  );
});
