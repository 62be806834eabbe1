/** The lines of a stream of bytes, as they come; `heard` is called for every chunk. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array>,
  heard: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    heard();
    rest += decoder.decode(chunk, { stream: true });
    let from = 0;
    for (;;) {
      const end = rest.indexOf("\n", from);
      if (end === -1) break;
      if (end > from) yield rest.slice(from, end);
      from = end + 1;
    }
    rest = rest.slice(from);
  }
  // A last line without its newline was cut off in the middle: what it told comes again.
}
