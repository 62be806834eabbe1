/** `make bench`: every measurement in a network of its own, one after the other. */
import { hostEnvironment, inOwnNetwork } from "#scripts/own-network.ts";

const BENCHES: Readonly<Record<string, readonly string[]>> = {
  serve: ["bench/serve.ts"],
  runtime: ["bench/runtime-start.ts"],
  pods: ["bench/pods.ts"],
  services: ["bench/services.ts"],
  dns: ["bench/dns.ts"],
  sessions: ["bench/sessions.ts"],
  probes: ["bench/probes.ts"],
  exits: ["bench/exits.ts"],
};

const wanted = process.argv.slice(2);
for (const name of wanted.filter((word) => !(word in BENCHES))) {
  console.error(`no measurement "${name}": there are ${Object.keys(BENCHES).join(", ")}`);
  process.exit(2);
}
let failed = false;
for (const [name, words] of Object.entries(BENCHES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n## ${name}\n`);
  const child = Bun.spawn(inOwnNetwork([process.execPath, ...words]), {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    env: hostEnvironment(),
  });
  failed = (await child.exited) !== 0 || failed;
}
process.exit(failed ? 1 : 0);
