import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import type { KubernetesClient, Query } from "./client.ts";
import type { Decode } from "./decode.ts";
import { reflect } from "./reflect.ts";

interface Named {
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

interface WatchedOptions<T extends Named> {
  readonly client: KubernetesClient;
  /** Of the list: `/api/v1/services`. */
  readonly path: string;
  readonly query?: Query;
  readonly decode: Decode<T>;
  readonly clock: Clock;
  readonly log: Log;
}

/** A list that is kept in step with the API server; while that is away, it is what was seen last. */
export interface Watched<T> {
  all(): readonly T[];
  /** By `namespace/name`, or by name where there is no namespace. */
  get(key: string): T | undefined;
  /** Everything there is has been told once. */
  isSynced(): boolean;
  /** Calls back with the key of every object that may have changed, appeared or gone. */
  onChange(listener: (key: string) => void): void;
  /** Lists and watches until `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function watched<T extends Named>(options: WatchedOptions<T>): Watched<T> {
  const { query = {}, ...from } = options;
  let objects = new Map<string, T>();
  let isSynced = false;
  const listeners: ((key: string) => void)[] = [];

  const changed = (key: string): void => {
    for (const listener of listeners) listener(key);
  };

  const sink = {
    replace(items: readonly T[]): void {
      const before = objects;
      objects = new Map(items.map((object) => [keyOf(object), object]));
      isSynced = true;
      for (const key of new Set([...before.keys(), ...objects.keys()])) changed(key);
    },
    put(object: T): void {
      objects.set(keyOf(object), object);
      changed(keyOf(object));
    },
    drop(object: T): void {
      objects.delete(keyOf(object));
      changed(keyOf(object));
    },
  };

  return {
    all: () => [...objects.values()],
    get: (key) => objects.get(key),
    isSynced: () => isSynced,
    onChange: (listener) => void listeners.push(listener),
    run: (signal) => reflect({ ...from, query, sink }, signal),
  };
}

function keyOf({ metadata: { namespace, name } }: Named): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
