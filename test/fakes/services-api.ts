/** The three lists that names are made of, and Pods, as an API server shows them: as they are, for good. */
export interface ServicesApi extends AsyncDisposable {
  readonly url: string;
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

/** Serves lists; watches of them stay open and tell nothing. */
export function servicesApi(objects: ServiceObjects): ServicesApi {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const name = pathname.slice(pathname.lastIndexOf("/") + 1);
      const of = KINDS[name];
      if (of === undefined || !isListed(objects, name)) {
        return status(404, "NotFound");
      }
      // The way around asks for a list in the form of a watch; then a client lists as ever.
      if (searchParams.has("sendInitialEvents")) return status(422, "Invalid");
      if (searchParams.has("watch")) return new Response(new ReadableStream());
      return Response.json({ ...of, metadata: { resourceVersion: "1" }, items: objects[name] });
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
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
