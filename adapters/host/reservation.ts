import { createServer } from "node:net";

/**
 * Keeps `name` from every other process in this network until the function returned is called, or
 * until this process is gone, however it ends. Undefined when somebody else has it.
 */
export function reserve(name: string): Promise<(() => void) | undefined> {
  // A socket without a file: the kernel gives its name to one process at a time, and takes it back.
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<(() => void) | undefined>();
  server.once("error", (error) => {
    if ("code" in error && error.code === "EADDRINUSE") resolve(undefined);
    else reject(error);
  });
  server.listen(`\0${name}`, () => resolve(() => void server.close()));
  server.unref();
  return promise;
}
