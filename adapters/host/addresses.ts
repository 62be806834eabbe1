import { FksError } from "#core/errors.ts";

/**
 * Puts addresses of our own on the loopback interface, where nothing else makes them.
 *
 * Those that this host has already are left alone, also by the function returned, which takes the
 * others away again. Throws `Unavailable` with what `ip` said.
 */
export async function holdAddresses(addresses: readonly string[]): Promise<() => Promise<void>> {
  const added: string[] = [];
  for (const address of addresses) {
    if ((await ip("-6", "-o", "address", "show", "to", `${address}/128`)) !== "") continue;
    await ip("-6", "address", "add", `${address}/128`, "dev", "lo");
    added.push(address);
  }
  return async () => {
    for (const address of added) await ip("-6", "address", "del", `${address}/128`, "dev", "lo");
  };
}

async function ip(...args: readonly string[]): Promise<string> {
  const program = Bun.which("ip", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` });
  if (program === null) {
    throw new FksError("Unsupported", "ip is missing: install the package iproute2");
  }
  const child = Bun.spawn([program, ...args], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [output, errors, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (exitCode === 0) return output.trim();
  throw new FksError("Unavailable", `ip ${args.join(" ")} failed: ${errors.trim()}`);
}
