import { existsSync, readFileSync } from "node:fs";
import type { Clock } from "#core/ports/clock.ts";
import type { StatusReport } from "#core/status/report.ts";
import { leavesIn } from "#embedded/control-plane/k3s/certificates.ts";
import { k3sFilesIn } from "#embedded/control-plane/k3s/files.ts";
import { requireApiPort } from "../api-port.ts";
import type { Cluster } from "../cluster.ts";
import type { Config } from "../config.ts";
import { controlPlanePlanFor } from "../control-plane.ts";
import type { ControlPlaneRecord } from "../control-plane-record.ts";
import { proofFor } from "../engine-proof.ts";
import type { DataPaths } from "../paths.ts";
import { type Check, failed, ok, skipped } from "./check.ts";
import { type EngineOutlook, sourceText } from "./engine-outlook.ts";

const DAY_MS = 86_400_000;
/** `serve` restarts K3s for its certificates some days before. */
const LEAF_DAYS_MIN = 80;

export interface ControlPlaneSources {
  readonly config: Config;
  readonly paths: DataPaths;
  /** Undefined before the first `serve`. */
  readonly cluster: Cluster | undefined;
  /** What ran here last. */
  readonly record: ControlPlaneRecord | undefined;
  readonly outlook: EngineOutlook;
  /** What `serve` tells; undefined while it does not run. */
  readonly status: Promise<StatusReport | undefined>;
  readonly clock: Clock;
}

/** Which control plane runs or would run, and whether it finds what it needs. */
export function controlPlaneChecks(sources: ControlPlaneSources): readonly Check[] {
  return [
    engineCheck(sources),
    k3sCheck(sources),
    loopbackCheck(sources),
    portsCheck(sources),
    certificatesCheck(sources),
  ];
}

function engineCheck(sources: ControlPlaneSources): Check {
  const { config, cluster, record, outlook, status } = sources;
  return {
    id: "control-plane.engine",
    expected: "one engine for the life of a data directory",
    remedy: "leave out --engine, or make room for another one with fks-node reset",
    async look() {
      const running = (await status)?.controlPlane;
      if (running !== undefined) {
        const { engine, version, program, proof } = running;
        return ok(`${engine} ${version} runs, ${program}; ${proof}`);
      }
      if (cluster !== undefined && config.engine !== "auto" && config.engine !== cluster.engine) {
        return failed(`the cluster has ${cluster.engine}, ${config.engine} is asked for`);
      }
      const { engine, why } = outlook;
      const version = record?.version ?? cluster?.kubernetesVersion ?? outlook.version;
      if (version === undefined) {
        const proof = proofFor({ engine, version: "unknown" });
        return ok(`${engine}, ${why}; its version shows at the start; ${proof}`);
      }
      return ok(`${engine} ${version}, ${why}; ${proofFor({ engine, version })}`);
    },
  };
}

function k3sCheck({ outlook, record, status }: ControlPlaneSources): Check {
  return {
    id: "control-plane.k3s",
    expected: "K3s' executable, and no other K3s on this host",
    remedy: "name one with --k3s-bin, or take --engine upstream",
    async look() {
      const { engine, k3s, otherK3s } = outlook;
      if (engine !== "k3s") return skipped("the engine is upstream");
      if (otherK3s !== undefined) return failed(otherK3s);
      const running = (await status)?.controlPlane;
      if (running !== undefined) return ok(`${running.program} runs`);
      if (k3s.from === "nowhere") return failed(k3s.why);
      const before = record === undefined ? "" : `; ${record.version} ran last`;
      return ok(`${sourceText(k3s)}${before}`);
    },
  };
}

function loopbackCheck({ outlook }: ControlPlaneSources): Check {
  return {
    id: "control-plane.loopback",
    expected: "::1 on lo, where the parts inside K3s speak to each other",
    remedy: "sysctl -w net.ipv6.conf.lo.disable_ipv6=0, and ip link set lo up",
    async look() {
      if (outlook.engine !== "k3s") return skipped("the engine is upstream");
      return hasLoopback() ? ok("it is there") : failed("it is missing");
    },
  };
}

function hasLoopback(): boolean {
  const path = "/proc/net/if_inet6";
  return (
    existsSync(path) && readFileSync(path, "utf8").includes("00000000000000000000000000000001 ")
  );
}

function portsCheck({ cluster, status }: ControlPlaneSources): Check {
  return {
    id: "control-plane.ports",
    expected: "the API's port is free, and for K3s the next one",
    remedy: "end the process that holds it: running Pods know this port",
    async look() {
      if ((await status) !== undefined) return ok("serve has its ports");
      if (cluster === undefined) return skipped("a free one is taken at the first start");
      const plan = controlPlanePlanFor(cluster);
      await requireApiPort(cluster.engine, plan);
      return ok(
        cluster.engine === "k3s"
          ? `${plan.port} and ${plan.port + 1} are free`
          : `${plan.port} is free`,
      );
    },
  };
}

function certificatesCheck({ cluster, paths, status, clock }: ControlPlaneSources): Check {
  return {
    id: "control-plane.certificates",
    expected: `K3s' own certificates are good for ${LEAF_DAYS_MIN} days or more`,
    remedy: "restart serve: K3s renews them only when it starts",
    async look() {
      if (cluster?.engine !== "k3s") return skipped("the engine is not K3s");
      const [first] = await leavesIn(k3sFilesIn(paths.k3s));
      if (first === undefined) return skipped("there are none yet");
      const days = Math.floor((first.endsAtMs - clock.now()) / DAY_MS);
      const text = `the first one ends in ${days} days (${first.name})`;
      if (days >= LEAF_DAYS_MIN) return ok(text);
      return (await status) === undefined ? ok(`${text}, the next start renews it`) : failed(text);
    },
  };
}
