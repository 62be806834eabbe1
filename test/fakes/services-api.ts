/** The three lists that names are made of, and Pods, as an API server shows them. */
export interface ServicesApi extends AsyncDisposable {
  readonly url: string;
  /** Tells every watch of Services that one is as it is now. */
  change(service: object): void;
}

/** Objects as the API shows them, by the last word of their list's path. */
export type ServiceObjects = Readonly<
  Record<"namespaces" | "services" | "endpointslices" | "pods", readonly object[]>
>;

const KINDS: Readonly<Record<string, { readonly apiVersion: string; readonly kind: string }>> = {
  namespaces: { apiVersion: "v1", kind: "NamespaceList" },
  services: { apiVersion: "v1", kind: "ServiceList" },
  endpointslices: { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSliceList" },
  pods: { apiVersion: "v1", kind: "PodList" },
};

/** Serves lists in pages, and watches, of which those of Services tell of changes. */
export function servicesApi(objects: ServiceObjects): ServicesApi {
  const watchers = new Set<ReadableStreamDefaultController<Uint8Array>>();

  function watch(name: string): Response {
    let own: ReadableStreamDefaultController<Uint8Array> | undefined;
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        own = controller;
        if (name === "services") watchers.add(controller);
      },
      cancel() {
        if (own !== undefined) watchers.delete(own);
      },
    });
    return new Response(stream, { headers: { "content-type": "application/json" } });
  }

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const name = pathname.slice(pathname.lastIndexOf("/") + 1);
      const of = KINDS[name];
      if (of === undefined || !isListed(objects, name)) return status(404, "NotFound");
      // A client that would have the list in the form of a watch then lists as ever.
      if (searchParams.has("sendInitialEvents")) return status(422, "Invalid");
      if (searchParams.has("watch")) return watch(name);
      const from = Number(searchParams.get("continue") ?? 0);
      const until = from + Number(searchParams.get("limit") ?? objects[name].length);
      const rest = until < objects[name].length ? `${until}` : "";
      const metadata = { resourceVersion: "1", continue: rest };
      return Response.json({ ...of, metadata, items: objects[name].slice(from, until) });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    change(service) {
      const object = { ...service, kind: "Service", apiVersion: "v1" };
      const line = new TextEncoder().encode(`${JSON.stringify({ type: "MODIFIED", object })}\n`);
      for (const watcher of watchers) watcher.enqueue(line);
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true);
    },
  };
}

function isListed(objects: ServiceObjects, name: string): name is keyof ServiceObjects {
  return Object.hasOwn(objects, name);
}

function status(code: number, reason: string): Response {
  const body = { kind: "Status", apiVersion: "v1", status: "Failure", code, reason };
  return Response.json(body, { status: code });
}
