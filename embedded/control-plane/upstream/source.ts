import goMod from "./go.mod" with { type: "text" };
import goSum from "./go.sum" with { type: "text" };
import mainGo from "./main.go" with { type: "text" };

/** Of the modules in go.mod. */
export const KUBERNETES_VERSION = "v1.36.3";

/** The program that is built, file by file; carried as text so that an installed fks-node has it too. */
export const SOURCE_FILES: Readonly<Record<string, string>> = {
  "main.go": mainGo,
  "go.mod": goMod,
  "go.sum": goSum,
};

/** Arguments of `go build` and `go list`: static, without cloud providers, with its version inside. */
export const BUILD_FLAGS: readonly string[] = [
  "-tags",
  "netgo,osusergo,providerless",
  "-trimpath",
  "-ldflags",
  ["-s", "-w", ...versionFlags()].join(" "),
];

/** Without these the server calls itself 0.0.0, and clients complain. */
function versionFlags(): string[] {
  const [major, minor] = KUBERNETES_VERSION.slice(1).split(".");
  return ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((name) => [
    `-X ${name}.gitVersion=${KUBERNETES_VERSION}`,
    `-X ${name}.gitMajor=${major}`,
    `-X ${name}.gitMinor=${minor}`,
  ]);
}

/** Names the executable that these files and flags give: another one when any of them changes. */
export function sourceHash(): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const [name, text] of Object.entries(SOURCE_FILES)) hash.update(`${name}\0${text}\0`);
  return hash.update(BUILD_FLAGS.join("\0")).digest("hex").slice(0, 16);
}
