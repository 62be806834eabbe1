/** `make demo`: builds a small image, loads it into the running cluster, applies examples/. */
import { mkdirSync } from "node:fs";
import { captured } from "./captured.ts";
import { seconds } from "./step.ts";

const FKS = "./dist/fks-node";
const IMAGE = ".cache/demo-image.tar";
const flags = process.argv.slice(2);

async function step(title: string, command: readonly string[]): Promise<string> {
  const startedAt = performance.now();
  const { stdout, stderr, exitCode } = await captured(command);
  if (exitCode !== 0) {
    console.error(`${title}: failed\n${stdout}${stderr}`);
    console.error("Is the cluster up? Start it with `make serve` in another terminal.");
    process.exit(1);
  }
  console.log(`${title.padEnd(48)} ${seconds(startedAt)}`);
  return stdout;
}

const kubectl = (...args: string[]): string[] => [FKS, "kubectl", ...flags, ...args];

const config = await step("look where the cluster is", [FKS, "config", ...flags]);
const dataDir = /^dataDir: (.*)$/m.exec(config)?.[1] ?? "";

mkdirSync(".cache", { recursive: true });
await step("build fks-demo/web:1 from busybox", [process.execPath, "scripts/demo-image.ts", IMAGE]);
await step("load it into the cluster", [FKS, "image", "load", IMAGE, ...flags]);
await step("apply examples/", kubectl("apply", "-f", "examples/"));
await step(
  "wait for Pod web",
  kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=60s"),
);
await step(
  "wait for Deployment hello",
  kubectl("rollout", "status", "deployment/hello", "--timeout=60s"),
);
console.log(`\n${await step("look at it", kubectl("get", "pods", "-o", "wide"))}`);
const suffix = ["", ...flags].join(" ");
console.log(`Try:  export KUBECONFIG=${dataDir}/kubeconfig   (or \`${FKS} kubectl${suffix}\` for kubectl)
  kubectl exec -it web -- sh
  kubectl logs -f job/count
  kubectl port-forward web 8080
  kubectl scale deployment hello --replicas=10
  ${FKS} translate -f examples/pod.yaml
  ${FKS} status${suffix}`);
