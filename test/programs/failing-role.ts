/** A role that fails while its socket is open: it must end all the same, by itself. */
import { Command } from "commander";
import { serveRoleSocket } from "#adapters/host/role-socket.ts";
import { runRole, withConfigOptions } from "../../cmd/role.ts";

const command = withConfigOptions(new Command("dns")).action((_, self: Command) =>
  runRole("dns", self, async ({ socketPath }, signal) => {
    serveRoleSocket({ path: socketPath, isReady: () => ({ ready: false }) }, signal);
    process.stdout.write("it listens\n");
    throw new Error("no");
  }),
);
await command.parseAsync([], { from: "user" }).catch(() => process.stdout.write("it failed\n"));
