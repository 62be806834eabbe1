import { expect, test } from "bun:test";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { service, sliceOf } from "#test/fixtures/services.ts";
import { FksError } from "../errors.ts";
import type { EndpointSlice } from "../kube/endpoint-slice.ts";
import type { Service } from "../kube/service.ts";
import type { RouteTables, Source } from "../ports/route-tables.ts";
import { routeKeeper } from "./route-keeper.ts";
import { routingTable } from "./routing-table.ts";

type Call = readonly ["load" | "apply", string];

/** A keeper that runs against tables which only write down what they are told. */
function world() {
  const services = new Map<string, Service>();
  const slices = new Map<string, EndpointSlice>();
  const table = routingTable({ services, slices });
  const state = { isSynced: true, isBroken: false, sources: [] as Source[] };
  const calls: Call[] = [];
  const told = (): void => {
    if (state.isBroken) throw new FksError("Unavailable", "nft failed");
  };
  const tables: RouteTables = {
    async load({ routes, sources }) {
      calls.push(["load", `${routes.length} ${addresses(sources)}`.trim()]);
      told();
    },
    async apply({ gone, come, sources }) {
      const moved = `-${addresses(sources.gone)}+${addresses(sources.come)}`;
      calls.push(["apply", `${gone.length} ${come.length} ${moved}`]);
      told();
    },
  };
  const clock = fakeClock();
  const stop = new AbortController();
  const keeper = routeKeeper({
    table,
    isSynced: () => state.isSynced,
    sources: () => state.sources,
    tables,
    clock,
    log: memoryLog(),
  });
  const put = (object: Service): void => {
    services.set("default/web", object);
    table.serviceChanged("default/web");
    keeper.touch();
  };
  let done: Promise<void> | undefined;
  return {
    start: (): void => {
      done = keeper.run(stop.signal);
    },
    state,
    calls,
    keeper,
    clock,
    put,
    putSlice: (address: string): void => {
      slices.set("default/s", sliceOf([{ address, nodeName: "a" }]));
      table.sliceChanged("default/s");
      keeper.touch();
    },
    close: async (): Promise<void> => {
      stop.abort(new Error("over"));
      await done;
    },
  };
}

test("all is made at once, then change by change", async () => {
  const { calls, keeper, start, put, putSlice, close } = world();
  put(service());
  start();
  await eventually(() => keeper.waitsFor() === undefined);
  putSlice("fdaa::1");
  await eventually(() => calls.length === 2);

  expect(calls).toEqual([
    ["load", "1"],
    ["apply", "1 1 -+"],
  ]);
  await close();
});

test("nothing is made before every Service is known", async () => {
  const { state, calls, keeper, start, put, close } = world();
  state.isSynced = false;
  put(service());
  start();
  await eventually(() => keeper.waitsFor() === "waiting for the list of Services");
  expect(calls).toEqual([]);

  state.isSynced = true;
  keeper.touch();
  await eventually(() => keeper.waitsFor() === undefined);
  expect(calls).toEqual([["load", "1"]]);
  await close();
});

test("a change that failed is told, and made up for by making all anew", async () => {
  const { state, calls, keeper, clock, start, put, putSlice, close } = world();
  put(service());
  start();
  await eventually(() => keeper.waitsFor() === undefined);
  state.isBroken = true;
  putSlice("fdaa::1");
  await eventually(() => keeper.waitsFor() === "nft failed");

  state.isBroken = false;
  await eventually(() => keeper.waitsFor() === undefined, { clock });
  expect(calls.at(1)?.[0]).toBe("apply");
  expect(calls.at(-1)).toEqual(["load", "1"]);
  await close();
});

test("a namespace that was made anew gets all of it again", async () => {
  const { calls, keeper, start, put, close } = world();
  put(service());
  start();
  await eventually(() => keeper.waitsFor() === undefined);
  keeper.reload();
  await eventually(() => calls.length === 2);

  expect(calls.at(-1)).toEqual(["load", "1"]);
  await close();
});

test("where Machines are is told only while a Service asks", async () => {
  const { state, calls, keeper, start, put, close } = world();
  state.sources = [{ address: "fdaa::9", node: "a" }];
  put(service());
  start();
  await eventually(() => keeper.waitsFor() === undefined);
  put(service({ internalTrafficPolicy: "Local" }));
  await eventually(() => calls.length === 2);
  await keeper.sourcesWanted(AbortSignal.timeout(1_000));
  state.sources = [{ address: "fdaa::8", node: "a" }];
  keeper.touch();
  await eventually(() => calls.length === 3);
  put(service());
  await eventually(() => calls.length === 4);

  expect(calls.map(([, what]) => what)).toEqual([
    "1",
    "1 1 -+fdaa::9",
    "0 0 -fdaa::9+fdaa::8",
    "1 1 -fdaa::8+",
  ]);
  await close();
});

function addresses(from: readonly { readonly address: string }[]): string {
  return from.map(({ address }) => address).join();
}
