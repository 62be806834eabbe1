/** A child that has to be killed. */
process.on("SIGTERM", () => {});
setInterval(() => {}, 1_000);
process.stdout.write("deaf\n");
