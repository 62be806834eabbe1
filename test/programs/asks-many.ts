/**
 * Asks an address again and again and prints what it heard, as JSON: answers and how often each came.
 * Arguments: `tcp` or `udp`, address, port, how often. Errors count by their code.
 */
const [protocol, hostname = "", port = "", count = "1"] = process.argv.slice(2);
const heard: Record<string, number> = {};

function ask(): Promise<string> {
  return protocol === "udp" ? askUdp() : askTcp();
}

function askTcp(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  Bun.connect({
    hostname,
    port: Number(port),
    socket: {
      data: (_, bytes) => void (text += bytes.toString()),
      close: () => resolve(text),
      connectError: (_, error) => resolve(codeOf(error)),
    },
  }).catch((error: unknown) => resolve(codeOf(error)));
  return within(promise);
}

async function askUdp(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = await Bun.udpSocket({
    hostname: hostname.includes(":") ? "::" : "0.0.0.0",
    connect: { hostname, port: Number(port) },
    socket: {
      data: (_, bytes) => resolve(bytes.toString()),
      // Bun gives the error alone, whatever its types say.
      error: (first: unknown, second: unknown) => resolve(codeOf(second ?? first)),
    },
  });
  socket.send("?");
  const answer = await within(promise);
  socket.close();
  return answer;
}

/** Nothing at all is an answer, too. */
async function within(promise: Promise<string>): Promise<string> {
  return Promise.race([promise, Bun.sleep(2_000).then(() => "silence")]);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

for (let left = Number(count); left > 0; left -= 1) {
  const answer = await ask();
  heard[answer] = (heard[answer] ?? 0) + 1;
}
process.stdout.write(`${JSON.stringify(heard)}\n`);
// Not when the last timer is over.
process.exit(0);
