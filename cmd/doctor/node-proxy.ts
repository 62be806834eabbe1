import { answerOf } from "../cluster-client.ts";
import type { Config } from "../config.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, ok, skipped } from "./check.ts";

interface NodeProxySources {
  readonly paths: DataPaths;
  readonly config: Config;
}

/** The way of every kubectl logs and exec: from the API server to the Node's kubelet API. */
export function nodeProxyCheck({ paths, config }: NodeProxySources): Check {
  return {
    id: "control-plane.node-proxy",
    expected: "the API server reaches the kubelet API of every Node, as logs and exec need it",
    remedy: `look into ${paths.logs}/kubelet.log`,
    async look(signal) {
      if (config.machines === "fly") return skipped("no kubelet API is served for Machines on Fly");
      const answers = await Promise.all(
        config.regions.map(async (name) => {
          const target = `/api/v1/nodes/${name}/proxy/healthz`;
          return { name, ...(await answerOf(paths, target, signal)) };
        }),
      );
      const bad = answers.filter(({ status }) => status !== 200);
      if (bad.length === 0) return ok(`${answers.length} answer`);
      const words = bad.map(
        ({ name, status, body }) => `${name}: HTTP ${status}, ${wordsIn(body)}`,
      );
      return failed(
        words.join("; "),
        remedyForProxy(
          bad.map(({ status }) => status),
          paths,
        ),
      );
    },
  };
}

/** K3s' tunnel to agents answers for a Node that never opened one with these. */
function remedyForProxy(statuses: readonly number[], { logs }: DataPaths): string {
  const isTunnel = statuses.some((status) => status === 502 || status === 503);
  const look = `look into ${logs}/kubelet.log`;
  return isTunnel
    ? `${look}; a K3s that was not started by serve needs --egress-selector-mode=disabled`
    : look;
}

/** The message of a Status, else the first line. */
function wordsIn(body: string): string {
  const message = /"message":\s*"((?:[^"\\]|\\.)*)"/.exec(body)?.[1];
  return (message ?? body.trim().split("\n")[0] ?? "").slice(0, 200);
}
