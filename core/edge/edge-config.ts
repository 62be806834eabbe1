import type { Service, ServicePort } from "../kube/service.ts";
import { type EdgePort, PORT_SETTINGS, portFor, type Read, SERVICE_SETTINGS } from "./settings.ts";

/** How a Service of type LoadBalancer is published, in the Fly Proxy's terms. */
export interface EdgeConfig {
  readonly ports: readonly EdgePort[];
  readonly concurrency: Concurrency;
  /** A Machine that is stopped is started when somebody asks for it. */
  readonly autostart: boolean;
  readonly autostop: "off" | "stop";
  readonly minMachinesRunning: number;
}

export interface Concurrency {
  readonly type: "connections" | "requests";
  /** From here on an endpoint is taken only when all are as busy. */
  readonly softLimit: number;
  /** Undefined: none. */
  readonly hardLimit?: number;
}

export interface EdgeReading {
  /** What could be understood; the rest is as if it had not been said. */
  readonly config: EdgeConfig;
  /** A sentence for each annotation that was not followed. */
  readonly problems: readonly string[];
}

const PREFIX = "service.fly.io/";
/** Fly's own mark on a Service. */
const NOT_SETTINGS = ["sync-version"];
/** Source: facts/fks.md 2.4; the hard limit of Fly's platform is none. */
const SOFT_LIMIT = 20;

/** What the `service.fly.io/…` annotations of a Service say. Pure. */
export function edgeConfigFor({ metadata, spec }: Service): EdgeReading {
  const problems: string[] = [];
  const said = new Map<string, Said>();

  for (const [key, value] of Object.entries(metadata.annotations)) {
    if (!key.startsWith(PREFIX)) continue;
    const name = key.slice(PREFIX.length);
    if (NOT_SETTINGS.includes(name)) continue;
    const setting = settingOf(name, spec.ports);
    if (typeof setting === "string") {
      problems.push(`${key} ${setting}`);
      continue;
    }
    const read = setting.read(value);
    if ("problem" in read) {
      problems.push(`${key}: ${read.problem}, not "${value}"`);
      continue;
    }
    const before = said.get(setting.id);
    if (before !== undefined && before.text !== value) {
      problems.push(`${key} and ${before.key} contradict each other; ${before.key} counts`);
      continue;
    }
    said.set(setting.id, { key, text: value, value: read.value });
  }

  const of = <T>(id: string): T | undefined => said.get(id)?.value as T | undefined;
  const ports = spec.ports.map((port) => {
    const made = portFor(port, (setting) => said.get(`${port.port} ${setting}`)?.value);
    problems.push(...made.problems.map((text) => `port ${port.port}: ${text}`));
    return made.port;
  });
  const softLimit = of<number>("concurrency-limit-soft") ?? SOFT_LIMIT;
  const hardLimit = of<number>("concurrency-limit-hard");
  if (hardLimit !== undefined && hardLimit < softLimit) {
    problems.push(
      `the hard limit ${hardLimit} is below the soft limit ${softLimit}; both are ${hardLimit}`,
    );
  }
  const config: EdgeConfig = {
    ports,
    concurrency: {
      type: of("concurrency-kind") ?? "connections",
      softLimit: Math.min(softLimit, hardLimit ?? softLimit),
      ...(hardLimit !== undefined && { hardLimit }),
    },
    autostart: of("autostart") ?? true,
    autostop: of("autostop") ?? "off",
    minMachinesRunning: of("min-machines-running") ?? 0,
  };
  return { config, problems };
}

interface Said {
  readonly key: string;
  readonly text: string;
  readonly value: unknown;
}

interface FoundSetting {
  /** The same for both ways to name a port. */
  readonly id: string;
  readonly read: (text: string) => Read<unknown>;
}

/** Which setting an annotation's name means; a string says what is wrong with it. */
function settingOf(name: string, ports: readonly ServicePort[]): FoundSetting | string {
  const read = SERVICE_SETTINGS[name];
  if (read !== undefined) return { id: name, read };
  const setting = Object.keys(PORT_SETTINGS).find((suffix) => name.endsWith(`-${suffix}`));
  const readPort = setting === undefined ? undefined : PORT_SETTINGS[setting];
  if (setting === undefined || readPort === undefined) return "is no annotation that is known";
  const which = name.slice(0, -setting.length - 1);
  const port = ports.find((one) => one.name === which || `${one.port}` === which);
  if (port === undefined) return `names port "${which}", which the Service does not have`;
  return { id: `${port.port} ${setting}`, read: readPort };
}
