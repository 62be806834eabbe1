import { z } from "zod";
import { answerOf } from "../cluster-client.ts";
import type { Config } from "../config.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, ok, skipped } from "./check.ts";

const statusSchema = z.object({ message: z.string() });

interface NodeProxySources {
  readonly paths: DataPaths;
  readonly config: Config;
}

/** What K3s' tunnel to its agents answers for a Node that never opened one. */
const NO_TUNNEL: readonly number[] = [502, 503];

/** The way of every kubectl logs and exec: from the API server to the Node's kubelet API. */
export function nodeProxyCheck({ paths, config }: NodeProxySources): Check {
  const remedy = `look into ${paths.logs}/kubelet.log`;
  return {
    id: "control-plane.node-proxy",
    expected: "the API server reaches the kubelet API of every Node, as logs and exec need it",
    remedy,
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
      const observed = bad
        .map(({ name, status, body }) => `${name}: HTTP ${status}, ${wordsIn(body)}`)
        .join("; ");
      return bad.some(({ status }) => NO_TUNNEL.includes(status))
        ? failed(observed, `${remedy}; a K3s of your own needs --egress-selector-mode=disabled`)
        : failed(observed);
    },
  };
}

/** The message of a Status, else the first line. */
function wordsIn(body: string): string {
  const status = statusSchema.safeParse(parsed(body)).data;
  return (status?.message ?? body.trim().split("\n")[0] ?? "").slice(0, 200);
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
