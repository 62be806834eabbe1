export interface ResponseHead {
  readonly status: number;
  readonly location?: string;
  readonly contentLength?: number;
  /** Bytes until the body. */
  readonly length: number;
}

/**
 * The head of an HTTP/1 answer, interim ones (1xx) skipped; undefined while it is not complete.
 * Throws when it is none. Pure.
 */
export function headOf(bytes: Uint8Array): ResponseHead | undefined {
  const text = Buffer.from(bytes).toString("latin1");
  for (let from = 0; ; ) {
    const start = text.slice(from, from + 5);
    if (!"HTTP/".startsWith(start)) throw malformed(text.slice(from, from + 40));
    const end = /\r?\n\r?\n/g;
    end.lastIndex = from;
    const found = end.exec(text);
    if (found === null) return undefined;
    const length = found.index + found[0].length;
    const [first = "", ...lines] = text.slice(from, found.index).split(/\r?\n/);
    const status = /^HTTP\/\d\.\d (\d{3})(?: |$)/.exec(first)?.[1];
    if (status === undefined) throw malformed(first);
    if (!status.startsWith("1") || status === "101") {
      const valueOf = (name: string): string | undefined =>
        lines
          .find((line) => line.toLowerCase().startsWith(`${name}:`))
          ?.slice(name.length + 1)
          .trim();
      const location = valueOf("location");
      const size = valueOf("content-length");
      return {
        status: Number(status),
        ...(location === undefined ? {} : { location }),
        ...(size !== undefined && /^\d+$/.test(size) ? { contentLength: Number(size) } : {}),
        length,
      };
    }
    from = length;
  }
}

function malformed(text: string): Error {
  return new Error(
    `net/http: HTTP/1.x transport connection broken: malformed HTTP response ${JSON.stringify(text)}`,
  );
}
