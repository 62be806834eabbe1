/** A datastore in use: the same number goes into two keys, always together, until it is killed. */
import { kineDatabase } from "#test/fixtures/kine.ts";

const kine = kineDatabase(process.argv[2] ?? "");
for (let count = 1; ; count++) {
  kine.together(() => {
    kine.put("/registry/left", `${count}`);
    kine.put("/registry/right", `${count}`);
  });
  if (count === 100) process.stdout.write("writing\n");
}
