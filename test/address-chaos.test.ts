import { expect, test } from "bun:test";
import type { Addresses } from "#core/ports/addresses.ts";
import type { Services } from "#core/ports/services.ts";
import { addressWorld } from "./fakes/address-world.ts";
import { type Faults, faulty, NO_FAULTS, randomFrom } from "./fakes/faulty.ts";

/** SEED=7 bun test test/address-chaos.test.ts tells one story again. */
const { SEED } = process.env;
const SEEDS = SEED === undefined ? Array.from({ length: 200 }, (_, i) => i + 1) : [Number(SEED)];
const ACTS = 60;
const NAMES = ["web", "db", "job", "mail"] as const;
const PAUSES_MS = [10, 1_000, 30_000, 95_000] as const;

/** What the API server says of a Service it just made: the webhook's answer is still under way. */
interface UnderWay {
  readonly name: string;
  readonly ip: string;
  readonly dueMs: number;
}

async function story(seed: number) {
  const random = randomFrom(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const faults: Faults = { lostThere: 0.1, lostBack: 0.15, doubled: 0.05 };
  const world = addressWorld({
    range: "fdaa:1234:5678:0:1::/123",
    wrapAddresses: (inner): Addresses => faulty(inner, faults, random),
    wrapServices: (inner): Services => ({
      ...faulty(inner, faults, random),
      get: (key) => inner.get(key),
      all: () => inner.all(),
    }),
  });
  const { clock, services } = world;
  let underWay: readonly UnderWay[] = [];
  const broken: string[] = [];

  /** Requests of the API server that are due; it takes each up to a minute, or drops it. */
  function arrive(): void {
    for (const { name, ip, dueMs } of underWay) {
      if (dueMs > clock.now() || random() < 0.2) continue;
      try {
        services.create("default", name, ip);
      } catch {
        // A name or an address that is taken is refused.
      }
    }
    underWay = underWay.filter(({ dueMs }) => dueMs > clock.now());
  }

  const acts = [
    async (): Promise<void> => {
      const name = pick(NAMES) ?? "web";
      const ip = await world.take(name).catch(() => undefined);
      const dueMs = clock.now() + (pick([0, 100, 60_000]) ?? 0);
      if (ip !== undefined) underWay = [...underWay, { name, ip, dueMs }];
    },
    async (): Promise<void> => services.delete(`default/${pick(NAMES) ?? "web"}`),
    async (): Promise<void> => world.sweep().catch(() => {}),
    async (): Promise<void> => world.settle(),
    async (): Promise<void> => world.restart(),
    async (): Promise<void> => {
      const lost = pick(world.addresses.all());
      if (random() < 0.2 && lost !== undefined) world.addresses.lose(lost.ip);
    },
    async (): Promise<void> => clock.advance(pick(PAUSES_MS) ?? 0),
  ];

  for (let act = 0; act < ACTS; act += 1) {
    await pick(acts)?.();
    arrive();
    const ips = services.stored().map(({ spec }) => spec.clusterIP);
    if (new Set(ips).size !== ips.length)
      broken.push(`two Services share an address: ${ips.join(", ")}`);
  }

  Object.assign(faults, NO_FAULTS);
  for (let pass = 0; pass < 6; pass += 1) {
    clock.advance(95_000);
    arrive();
    await world.settle();
    await world.sweep();
    await world.settle();
  }
  return { broken, held: world.held().toSorted(), used: world.used().toSorted() };
}

test.each(SEEDS)(
  "seed %d: no address twice, none leaked, none lost once all is calm",
  async (seed) => {
    const { broken, held, used } = await story(seed);
    expect(broken).toEqual([]);
    expect(held).toEqual(used);
  },
);
