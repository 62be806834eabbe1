import { createHash } from "node:crypto";

/** Source: k8s.io/kubernetes, `pkg/apis/core/validation/events.go`. */
const MESSAGE_MAX_CHARS = 1_024;
/** What an object's name may have beside a dot and the hash. */
const NAME_MAX_CHARS = 236;

interface News {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  /** RFC 3339. */
  readonly at: string;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

interface EventObjectOptions {
  readonly about: { readonly name: string; readonly uid: string };
  readonly namespace: string;
  readonly news: News;
  /** Of the news about this object: the same twice is one Event. */
  readonly id: string;
  readonly source: { readonly component: string; readonly host?: string };
}

interface EventObject {
  readonly metadata: EventMeta;
  readonly [field: string]: unknown;
}

interface EventMeta {
  readonly name: string;
  readonly namespace: string;
}

/** An Event. Its name is a function of object and news, so that telling it twice is one. Pure. */
export function eventObject({
  about,
  namespace,
  news,
  id,
  source,
}: EventObjectOptions): EventObject {
  const hash = createHash("sha256").update(`${about.uid}/${id}`).digest("hex").slice(0, 16);
  const { type, reason, message, at, annotations } = news;
  return {
    apiVersion: "v1",
    kind: "Event",
    metadata: {
      name: `${about.name.slice(0, NAME_MAX_CHARS)}.${hash}`,
      namespace,
      ...(annotations === undefined ? {} : { annotations }),
    },
    involvedObject: about,
    type,
    reason,
    message: shortened(message),
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
    source,
    reportingComponent: source.component,
    reportingInstance: source.host ?? source.component,
  };
}

/** A message as the API server takes it. */
export function shortened(message: string): string {
  return message.slice(0, MESSAGE_MAX_CHARS);
}
