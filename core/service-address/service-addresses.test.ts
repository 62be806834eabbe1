import { describe, expect, test } from "bun:test";
import { addressWorld } from "#test/fakes/address-world.ts";

const failure = (error: unknown): unknown => error;

async function made(world: ReturnType<typeof addressWorld>, name: string): Promise<string> {
  const ip = await world.take(name);
  world.services.create("default", name, ip);
  await world.settle();
  return ip;
}

describe("an address for a new Service", () => {
  test("is taken once, however often the same request comes", async () => {
    const world = addressWorld();
    const [one, other] = await Promise.all([world.take("web"), world.take("web")]);
    expect(other).toBe(one);
    world.restart();
    expect(await world.take("web")).toBe(one);
    expect(world.held()).toEqual([`web ${one}`]);
  });

  test("is the very one that was asked for, or the caller is told whose it is", async () => {
    const world = addressWorld();
    const ip = world.range.replace("/112", "abcd");
    expect(await world.take("web", ip)).toBe(ip);
    expect(await world.take("web", ip)).toBe(ip);
    expect(await world.take("db", ip).catch(failure)).toMatchObject({
      code: "Conflict",
      message: `aborted: ${ip} is assigned already`,
    });
  });

  test("cannot be chosen where the platform chooses, and none is kept from trying", async () => {
    const world = addressWorld({ givesWanted: false });
    const ip = world.range.replace("/112", "abcd");
    expect(await world.take("web", ip).catch(failure)).toMatchObject({
      code: "Unsupported",
      message: `the platform chooses addresses itself: leave spec.clusterIP empty instead of ${ip}`,
    });
    expect(world.held()).toEqual([]);
  });

  test("is none that the API server gave to another Service while we were away", async () => {
    const world = addressWorld();
    const next = world.range.replace("/112", "2");
    world.services.create("kube-system", "addon", next);
    world.services.catchUp();
    const ip = await world.take("web");
    expect(ip).not.toBe(next);
    expect(world.held()).toEqual([`web ${ip}`]);
  });

  test("that is not to be had any more is told in Fly's words", async () => {
    const world = addressWorld({ range: "fdaa:1234:5678:0:1::/126" });
    await world.take("a");
    await world.take("b");
    expect(await world.take("c").catch(failure)).toMatchObject({
      code: "Unavailable",
      message: "aborted: insufficient IPs available to fulfill request",
    });
  });
});

describe("a Service and its App's addresses", () => {
  test("end together, and at once", async () => {
    const world = addressWorld();
    await made(world, "web");
    world.services.delete("default/web");
    await world.settle();
    expect(world.held()).toEqual([]);
  });

  test("what was given for a Service that never came is released after two looks", async () => {
    const world = addressWorld();
    await world.take("web");
    world.clock.advance(60_000);
    await world.sweep();
    await world.settle();
    expect(world.held()).toHaveLength(1);
    world.clock.advance(60_000);
    await world.sweep();
    await world.settle();
    expect(world.held()).toEqual([]);
  });

  test("nothing is released after a restart before what was under way must have come", async () => {
    const world = addressWorld();
    const ip = await world.take("web");
    world.clock.advance(89_000);
    world.restart();
    await world.sweep();
    await world.settle();
    world.services.create("default", "web", ip);
    world.clock.advance(90_000);
    await world.sweep();
    await world.settle();
    expect(world.held()).toEqual([`web ${ip}`]);
  });

  test("an address that was lost is restored, and the Service keeps it", async () => {
    const world = addressWorld();
    const ip = await made(world, "web");
    world.addresses.lose(ip);
    await world.sweep();
    await world.settle();
    expect(world.held()).toEqual([`web ${ip}`]);
  });

  test("one that cannot be restored is named on the Service", async () => {
    const world = addressWorld({ givesWanted: false });
    const ip = await made(world, "web");
    world.addresses.lose(ip);
    await world.sweep();
    await world.settle();
    expect(world.told).toEqual([
      {
        type: "Warning",
        reason: "ClusterIPNotHeld",
        message: `${ip} is not an address of the namespace's App: the platform chooses addresses itself`,
      },
    ]);
    expect(world.held()).toEqual([]);
  });

  test("a Service that came while we were away is told that its address is held", async () => {
    const world = addressWorld();
    const ip = world.range.replace("/112", "beef");
    world.services.create("default", "web", ip);
    await world.settle();
    expect(world.held()).toEqual([`web ${ip}`]);
    expect(world.services.stored()[0]?.metadata.annotations).toEqual({
      "fly.io/clusterip-allocator": "configured",
    });
  });
});
