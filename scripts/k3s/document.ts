import type { Proof } from "#embedded/control-plane/k3s/proof.ts";
import type { TestResult } from "../junit.ts";
import { countsOf, type K3sRun } from "./record.ts";

export const DOCUMENT_FILE = "docs/k3s.md";

interface DocumentFacts {
  readonly proof: Proof;
  /** Undefined before the first one. */
  readonly run: K3sRun | undefined;
}

/** The text of docs/k3s.md. Pure. */
export function documentOf({ proof, run }: DocumentFacts): string {
  return `# K3s: how far it is proven

Written by \`make test-k3s\`, from what it recorded; \`make golden\` writes it anew. [control-plane.md](control-plane.md)
tells how to use K3s.

${run === undefined ? NEVER_RUN : summaryOf(run)}

## How to run it

\`\`\`sh
make test-k3s                                      # k3s on PATH, the cached release, or a download
FKS_K3S_BIN=/usr/local/bin/k3s make test-k3s       # this one
\`\`\`

It wants root, as \`make test\` does, and a host without another K3s. K3s is found as \`serve\` finds it. Where none can
be had it says why and ends; the stand-in is refused. Every end-to-end test of the repository that is not about the
stand-in's bad manners runs over it, in a network namespace of its own. Then this page, k3s-run.json beside it and
\`embedded/control-plane/k3s/proof.json\` are written: commit them, also when tests failed. A run that fell over,
or whose report has no test of one of the files, is not written down. \`doctor\` and \`/api/v1/status\` tell of a version
what proof.json knows of it.

## What "documented contract" means

K3s cannot be downloaded where fks-node is built. There its place is taken by \`test/programs/k3s-shaped\`, a program that

- takes K3s' command line, with K3s' environment variables and configuration file, and refuses every flag that K3s'
  documentation or source (1.34 to 1.37, August and September 2026) does not have;
- unpacks itself, writes K3s' files with their modes, keeps its token, and opens its datastore with that token alone;
- runs the same upstream parts (kine, kube-apiserver, kube-controller-manager, kube-scheduler) behind K3s' two ports,
  with K3s' authorities, its supervisor's paths, and who may ask what there;
- writes K3s' two kinds of log lines, ends with K3s' exit codes, 0 after a component failed included, and keeps the
  traps: a shared port, a stale kubeconfig, a scheduler that waits for a cloud, tunnels that reach no virtual Node.

It shares no code with K3s. Every end-to-end test runs over it and over the upstream parts; more of them make it crash,
hang, refuse, lie and change its version. What passes there shows that fks-node does what is written about K3s, and no
more. These are taken from K3s' source or concluded, and only a real K3s can confirm them:

${ASSUMPTIONS.map((one) => `- ${one}`).join("\n")}

## Runs

${runsTable(proof)}
${run === undefined ? "" : `\n${resultsOf(run)}\n`}`;
}

const NEVER_RUN = `**Not yet run against a real K3s.** Until somebody has, fks-node is proven against K3s' documented contract only.`;

const ASSUMPTIONS = [
  "it is ready within 120 s of its first start, and within 15 s as a rule;",
  "a token file without a line end holds the whole secret, and `node:SECRET` opens `/v1-k3s/readyz`;",
  "`secure-port=0` keeps controller-manager and scheduler from listening, so that two of them live on one host;",
  "`--disable-agent` with `--rootless` needs no root and writes nothing outside its data directory and `HOME`;",
  "leaf certificates with less than 90 days left are issued anew at a start;",
  "its controller-manager signs what the four Kubernetes signers are asked for, and `server-ca` is what its API server\n  wants of kubelets;",
  "SIGTERM ends it within 10 s, and what it says when it fails has the words that fks-node looks for.",
] as const;

function summaryOf(run: K3sRun): string {
  const [passed, failed, skipped] = countsOf(run);
  const rest = skipped === 0 ? "" : `, ${skipped} skipped`;
  return `**${run.version}: ${passed} of ${passed + failed + skipped} end-to-end tests passed on ${run.date}${rest}.**

| | |
|---|---|
| version | ${run.version} (${run.arch}) |
| sha256 of the executable | \`${run.sha256}\` |
| date | ${run.date} |
| host | ${run.host} |`;
}

function runsTable({ proven }: Proof): string {
  if (proven.length === 0) return "None yet.";
  const rows = proven
    .toSorted((a, b) => b.date.localeCompare(a.date))
    .map(({ version, date, arch, passed, failed, skipped }) =>
      [date, version, arch, passed, failed, skipped].join(" | "),
    );
  return [
    "| Date | Version | Processor | Passed | Failed | Skipped |",
    "|---|---|---|---|---|---|",
    ...rows.map((row) => `| ${row} |`),
  ].join("\n");
}

/** Every test of the last run by its file, failures before all others. */
function resultsOf({ tests }: K3sRun): string {
  const failed = tests.filter(({ outcome }) => outcome === "failed");
  const files = [...new Set(tests.map(({ file }) => file))];
  const parts = files.map((file) => {
    const names = tests.filter((one) => one.file === file && one.outcome !== "failed");
    return names.length === 0 ? [] : [`### \`${file}\``, "", ...names.map(bulletOf), ""];
  });
  return [
    "## The last run, test by test",
    "",
    ...(failed.length === 0 ? [] : ["### Failed", "", ...failed.map(bulletOf), ""]),
    ...parts.flat(),
  ]
    .join("\n")
    .trimEnd();
}

function bulletOf({ file, name, outcome }: TestResult): string {
  if (outcome === "failed") return `- ${name} (\`${file}\`)`;
  return outcome === "skipped" ? `- ${name} (skipped)` : `- ${name}`;
}
