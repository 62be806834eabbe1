/** A child that behaves: ready on the unix socket named by its argument, ends at SIGTERM with 0. */
const [, , path = "", readiness = "ready"] = process.argv;

Bun.serve({
  unix: path,
  fetch: () =>
    readiness === "ready"
      ? Response.json({ ready: true })
      : Response.json({ ready: false, reason: readiness }, { status: 503 }),
});
process.stdout.write("listens\n");
process.on("SIGTERM", () => process.exit(0));
