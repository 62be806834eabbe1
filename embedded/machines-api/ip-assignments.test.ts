import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { array, assert, integer, property, tuple } from "fast-check";
import { fakeClock } from "#test/fakes/clock.ts";
import { ApiError } from "./errors.ts";
import { type IpDirectory, ipDirectory } from "./ip-assignments.ts";
import { openStore, type Store } from "./store.ts";

/** Sixteen addresses, of which fourteen are given. */
const SMALL = "fdaa:1:2:0:1::/124";
const FLYCAST = { type: "private_v6" };

function open(store: Store, range = SMALL): IpDirectory {
  return ipDirectory({ store, range, clock: fakeClock() });
}

function answerOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error instanceof ApiError ? [error.status, error.message] : error;
  }
}

function fullDisk(): never {
  throw new Error("disk full");
}

test("no address is given twice, and when none is left the answer is Fly's", () => {
  const ips = open(openStore(":memory:"));
  const given = Array.from({ length: 14 }, () => ips.assign("a", FLYCAST).ip);

  expect(new Set(given).size).toBe(14);
  expect(given).not.toContain("fdaa:1:2:0:1::1");
  expect(answerOf(() => ips.assign("a", FLYCAST))).toEqual([
    409,
    "aborted: insufficient IPs available to fulfill request",
  ]);
  ips.release("a", "fdaa:1:2:0:1::5");
  expect(ips.assign("b", FLYCAST).ip).toBe("fdaa:1:2:0:1::5");
});

test("an address that was released comes round last, also after a restart", () => {
  const dir = mkdtempSync(join(tmpdir(), "fks-ips-"));
  try {
    const store = openStore(join(dir, "machines.db"));
    const ips = open(store);
    const [one, two] = [ips.assign("a", FLYCAST).ip, ips.assign("a", FLYCAST).ip];
    ips.release("a", one);
    store.close();

    const later = open(openStore(join(dir, "machines.db")));
    expect(later.list("a").map(({ ip }) => ip)).toEqual([two]);
    expect(later.assign("a", FLYCAST).ip).toBe("fdaa:1:2:0:1::4");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("what cannot be written is not given", () => {
  const store = openStore(":memory:");
  const ips = open({ ...store, saveIp: fullDisk });
  expect(() => ips.assign("a", FLYCAST)).toThrow("disk full");
  expect(ips.list("a")).toEqual([]);
});

test("what this platform does not have is refused by its name", () => {
  const ips = open(openStore(":memory:"));
  expect(answerOf(() => ips.assign("a", { type: "shared_v4" }))).toEqual([
    501,
    "unsupported: this platform has no addresses of type shared_v4",
  ]);
  expect(answerOf(() => ips.assign("a", { ...FLYCAST, ip: "fdaa:9::1" }))).toEqual([
    400,
    "invalid_argument: ip: 'fdaa:9::1' is not in fdaa:1:2:0:1::/124",
  ]);
  expect(answerOf(() => ips.assign("a", { ...FLYCAST, ip: "fdaa:1:2:0:1::1" }))).toEqual([
    409,
    "aborted: fdaa:1:2:0:1::1 is assigned already",
  ]);
});

test("whatever is asked and however often it restarts, memory and disk agree and no two have one", () => {
  const acts = array(tuple(integer({ min: 0, max: 4 }), integer({ min: 0, max: 15 })), {
    maxLength: 80,
  });
  assert(
    property(acts, (all) => {
      const store = openStore(":memory:");
      let ips = open(store);
      for (const [act, number] of all) {
        const app = `app-${number % 3}`;
        const ip = `fdaa:1:2:0:1::${number.toString(16)}`;
        if (act === 0) answerOf(() => ips.assign(app, FLYCAST));
        if (act === 1) answerOf(() => ips.assign(app, { ...FLYCAST, ip }));
        if (act === 2) ips.release(app, ip);
        if (act === 3) ips.releaseAll(app);
        if (act === 4) ips = open(store);
        const shown = ["app-0", "app-1", "app-2"].flatMap((name) => ips.list(name));
        const stored = store.ips().map((record) => record.ip);
        expect(shown.map((one) => one.ip).toSorted()).toEqual(stored.toSorted());
        expect(new Set(stored).size).toBe(stored.length);
      }
      store.close();
    }),
    { numRuns: 60 },
  );
});
