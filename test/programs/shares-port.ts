/** Listens as K3s does, so that others may listen on the same port; tells it. Ends with its input. */
const [, , hostname = "127.0.0.1", port = "0"] = process.argv;

const server = Bun.serve({
  hostname,
  port: Number(port),
  reusePort: true,
  fetch: () => new Response("pong"),
});
process.stdout.write(`${server.port}\n`);
process.stdin.resume().on("end", () => process.exit(0));
