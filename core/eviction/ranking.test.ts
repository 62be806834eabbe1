import { describe, expect, test } from "bun:test";
import { array, assert, boolean, constantFrom, integer, property, record } from "fast-check";
import { evictionPod, MIB, podUsage, ROOMY } from "#test/fixtures/eviction.ts";
import type { PodSpec } from "../kube/pod.ts";
import { type Candidate, rankedFor } from "./ranking.ts";
import { SIGNALS, type Signal } from "./signals.ts";

interface Shape {
  readonly memoryMib: number;
  readonly diskMib: number;
  readonly requestMib: number;
  readonly priority: number;
  readonly isKnown: boolean;
}

function candidate(name: string, shape: Partial<Shape> = {}): Candidate {
  const { memoryMib = 0, diskMib = 0, requestMib = 0, priority = 0, isKnown = true } = shape;
  const asked = `${requestMib}Mi`;
  const requests = { memory: asked, "ephemeral-storage": asked };
  const spec: Partial<PodSpec> = {
    priority,
    containers: [{ name: "main", image: "x", resources: { requests } }],
  };
  const pod = evictionPod(name, spec);
  const used = { memoryBytes: memoryMib * MIB, rootBytes: diskMib * MIB, processes: memoryMib };
  return { pod, usage: isKnown ? podUsage(pod, [used]) : undefined };
}

const order = (candidates: readonly Candidate[], signal: Signal, host = ROOMY): readonly string[] =>
  rankedFor(candidates, signal, host).map(({ pod }) => pod.metadata.name);

describe("the order of eviction", () => {
  test("who uses more than it asked for, then who matters less, then who uses most beyond it", () => {
    const candidates = [
      candidate("modest", { memoryMib: 900, requestMib: 1_000, priority: -10 }),
      candidate("important", { memoryMib: 500, priority: 100 }),
      candidate("small", { memoryMib: 100 }),
      candidate("large", { memoryMib: 400, requestMib: 350 }),
    ];
    expect(order(candidates, "memory.available")).toEqual([
      "small",
      "large",
      "important",
      "modest",
    ]);
  });

  test("of those that keep to their requests the less important, then the one nearest to it", () => {
    const candidates = [
      candidate("far", { diskMib: 1, requestMib: 10 }),
      candidate("near", { diskMib: 9, requestMib: 10 }),
      candidate("cheap", { diskMib: 1, requestMib: 100, priority: -1 }),
    ];
    expect(order(candidates, "nodefs.available")).toEqual(["cheap", "near", "far"]);
  });

  test("nobody asks for PIDs: priority, then their number", () => {
    const candidates = [
      candidate("many", { memoryMib: 50, priority: 1 }),
      candidate("few", { memoryMib: 1 }),
      candidate("some", { memoryMib: 5 }),
    ];
    expect(order(candidates, "pid.available")).toEqual(["some", "few", "many"]);
  });

  test("what Pods write does not count where images have a disk of their own", () => {
    const candidates = [candidate("idle"), candidate("writer", { diskMib: 100 })];
    expect(order(candidates, "imagefs.available")).toEqual(["writer", "idle"]);
    const host = { ...ROOMY, isImageFsDedicated: true };
    expect(order(candidates, "imagefs.available", host)).toEqual(["idle", "writer"]);
    expect(order(candidates, "nodefs.available", host)).toEqual(["writer", "idle"]);
  });

  const shapes = array(
    record({
      memoryMib: integer({ min: 0, max: 5 }),
      diskMib: integer({ min: 0, max: 5 }),
      requestMib: integer({ min: 0, max: 5 }),
      priority: integer({ min: -1, max: 1 }),
      isKnown: boolean(),
    }),
    { maxLength: 12 },
  );

  test("whatever Pods there are: all are ranked once, and the same set always in the same order", () => {
    assert(
      property(shapes, constantFrom(...SIGNALS), (list, signal) => {
        const candidates = list.map((shape, index) => candidate(`p${index}`, shape));
        const ranked = order(candidates, signal);
        expect(ranked.toSorted()).toEqual(
          candidates.map(({ pod }) => pod.metadata.name).toSorted(),
        );
        expect(order(rankedFor(candidates, signal, ROOMY), signal)).toEqual(ranked);
      }),
    );
  });

  test("whatever Pods there are: no Pod that keeps to its request goes before one that does not", () => {
    assert(
      property(shapes, (list) => {
        const known = list.map((shape, index) =>
          candidate(`p${index}`, { ...shape, isKnown: true }),
        );
        const isOver = new Map(
          list.map(({ memoryMib, requestMib }, index) => [`p${index}`, memoryMib > requestMib]),
        );
        const over = order(known, "memory.available").map((name) => isOver.get(name) === true);
        expect(over).toEqual(over.toSorted((a, b) => Number(b) - Number(a)));
      }),
    );
  });

  test("whatever Pods there are: what nothing is known of goes first when priorities are equal", () => {
    assert(
      property(shapes, constantFrom(...SIGNALS), (list, signal) => {
        const equal = list.map((shape, index) => candidate(`p${index}`, { ...shape, priority: 0 }));
        const known = rankedFor(equal, signal, ROOMY).map(({ usage }) => usage !== undefined);
        expect(known).toEqual(known.toSorted((a, b) => Number(a) - Number(b)));
      }),
    );
  });
});
