import { writeFileSync } from "node:fs";
import { busyboxRoot } from "./busybox-root.ts";
import { builtImage, dockerArchive } from "./image-archive.ts";

/** Usage: `bun scripts/demo-image.ts FILE`; writes the image `fks-demo/web:1` as `docker save` would. */
const SERVE = `#!/bin/sh
# Shows who answered: every Machine has its own name and its own address.
set -e
address=$(ip -6 addr show scope global 2>/dev/null | sed -n 's,.*inet6 \\([^/]*\\)/.*,\\1,p' | head -n 1)
cat > /www/index.html <<PAGE
<!doctype html>
<title>fks-node</title>
<h1>Hello from $(hostname)</h1>
<p>My address is [$address]. I am a Kubernetes Pod and a Machine.</p>
PAGE
echo "serving /www on [::]:8080, address $address"
exec httpd -f -v -p '[::]:8080' -h /www
`;

const [file] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: bun scripts/demo-image.ts FILE");
  process.exit(2);
}

const image = builtImage({
  reference: "fks-demo/web:1",
  config: {
    Env: ["PATH=/bin"],
    Cmd: ["/bin/serve"],
    WorkingDir: "/www",
    ExposedPorts: { "8080/tcp": {} },
  },
  layers: [
    { entries: busyboxRoot() },
    { entries: [{ path: "bin/serve", content: SERVE, mode: 0o755 }] },
  ],
});

writeFileSync(file, dockerArchive([image]));
console.log(`${file}: fks-demo/web:1`);
