interface ApiObject {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly uid: string };
}

interface Change {
  readonly version: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: ApiObject;
}

type Answer = (request: Request) => Response | Promise<Response>;

interface Watcher {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  version: number;
}

export interface FakeApiServer extends AsyncDisposable {
  readonly url: string;
  /** `METHOD /path?query` of every request, in order. */
  readonly requests: string[];
  readonly watches: () => number;
  put(object: ApiObject): void;
  remove(object: ApiObject): void;
  /** Other collections change, and every watch is sent a bookmark with the newest version. */
  bookmark(): void;
  /** Ends every watch as the API server does when it feels like it: cleanly. */
  closeWatches(): void;
  /** Cuts every watch off in the middle of a line. */
  breakWatches(): void;
  /** Forgets the past: a watch from an older version is told 410. */
  compact(): void;
  /** What the next requests are answered with, instead of what they ask for; the first that fits. */
  answerOnce(method: string, path: RegExp, answer: Answer): void;
  /** Every request is answered 503 while away. */
  setAway(away: boolean): void;
}

/**
 * An API server in memory with one collection, Pods: lists in pages, watches with bookmarks, and
 * every way in which a real one ends them. Whatever else is asked is 404 unless `answerOnce` says so.
 */
export function fakeApiServer(): FakeApiServer {
  const objects = new Map<string, ApiObject>();
  const watchers = new Set<Watcher>();
  const requests: string[] = [];
  const special: { method: string; path: RegExp; answer: Answer }[] = [];
  let history: Change[] = [];
  let version = 100;
  let compacted = 0;
  let isAway = false;

  const record = (type: Change["type"], object: ApiObject): void => {
    version += 1;
    const metadata = { ...object.metadata, resourceVersion: `${version}` };
    const stamped = { ...object, metadata };
    const key = `${metadata.namespace}/${metadata.name}`;
    if (type === "DELETED") objects.delete(key);
    else objects.set(key, stamped);
    history.push({ version, type, object: stamped });
    for (const watcher of watchers) feed(watcher);
  };
  const feed = (watcher: Watcher): void => {
    for (const { version: at, type, object } of history) {
      if (at <= watcher.version) continue;
      watcher.controller.enqueue(line({ type, object }));
      watcher.version = at;
    }
  };

  const list = (query: URLSearchParams): Response => {
    const from = Number(query.get("continue") ?? 0);
    const limit = Number(query.get("limit") ?? 500);
    const all = [...objects.values()];
    const rest = from + limit < all.length ? `${from + limit}` : "";
    const metadata = { resourceVersion: `${version}`, continue: rest };
    return Response.json({ metadata, items: all.slice(from, from + limit) });
  };
  const watch = (query: URLSearchParams): Response => {
    const from = Number(query.get("resourceVersion"));
    if (from < compacted) {
      const object = statusObject(410, "Expired", "too old resource version");
      return new Response(line({ type: "ERROR", object }));
    }
    let own: Watcher | undefined;
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        own = { controller, version: from };
        watchers.add(own);
        feed(own);
      },
      cancel() {
        if (own !== undefined) watchers.delete(own);
      },
    });
    return new Response(stream);
  };

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const { pathname, search, searchParams } = new URL(request.url);
      requests.push(`${request.method} ${pathname}${search}`);
      const index = special.findIndex(
        ({ method, path }) => method === request.method && path.test(pathname + search),
      );
      const [chosen] = index === -1 ? [] : special.splice(index, 1);
      if (chosen !== undefined) return chosen.answer(request);
      if (isAway) return statusAnswer(503, "ServiceUnavailable", "away");
      if (pathname === "/api/v1/pods") {
        return searchParams.has("watch") ? watch(searchParams) : list(searchParams);
      }
      const [, namespace, name] =
        /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)$/.exec(pathname) ?? [];
      const object = objects.get(`${namespace}/${name}`);
      return object === undefined
        ? statusAnswer(404, "NotFound", `pods "${name}" not found`)
        : Response.json(object);
    },
  });

  const endWatches = (end: (watcher: Watcher) => void): void => {
    for (const watcher of watchers) end(watcher);
    watchers.clear();
  };

  return {
    url: `http://127.0.0.1:${server.port}`,
    requests,
    watches: () => watchers.size,
    put(object) {
      const key = `${object.metadata.namespace}/${object.metadata.name}`;
      record(objects.has(key) ? "MODIFIED" : "ADDED", object);
    },
    remove: (object) => record("DELETED", object),
    bookmark() {
      version += 10;
      const object = { kind: "Pod", metadata: { resourceVersion: `${version}` } };
      for (const { controller } of watchers) controller.enqueue(line({ type: "BOOKMARK", object }));
    },
    closeWatches: () => endWatches(({ controller }) => controller.close()),
    breakWatches: () =>
      endWatches(({ controller }) => {
        controller.enqueue(new TextEncoder().encode('{"type":"MODIFIED","object":{"meta'));
        controller.close();
      }),
    compact() {
      compacted = version;
      history = [];
    },
    answerOnce: (method, path, answer) => void special.push({ method, path, answer }),
    setAway: (away) => {
      isAway = away;
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

/** An answer in the API server's own form for everything that is not a success. */
export function statusAnswer(
  code: number,
  reason: string,
  message: string,
  extra: { readonly headers?: Record<string, string>; readonly details?: object } = {},
): Response {
  const { headers = {}, details } = extra;
  return Response.json(
    { ...statusObject(code, reason, message), details },
    { status: code, headers },
  );
}

function statusObject(code: number, reason: string, message: string): object {
  return { kind: "Status", apiVersion: "v1", status: "Failure", code, reason, message };
}

function line(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(value)}\n`);
}
