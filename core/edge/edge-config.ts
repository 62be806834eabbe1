import type { Service, ServicePort } from "../kube/service.ts";
import {
  type EdgePort,
  PORT_SETTINGS,
  portFor,
  type Read,
  type SaidOfPort,
  type SaidOfService,
  SERVICE_SETTINGS,
} from "./settings.ts";

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
  const keyOf = new Map<string, { readonly key: string; readonly text: string }>();
  let ofService: SaidOfService = {};
  const ofPorts = new Map<number, SaidOfPort>();

  for (const [key, text] of Object.entries(metadata.annotations)) {
    if (!key.startsWith(PREFIX)) continue;
    const name = key.slice(PREFIX.length);
    if (NOT_SETTINGS.includes(name)) continue;
    const setting = settingOf(name, spec.ports);
    if (typeof setting === "string") {
      problems.push(`${key} ${setting}`);
      continue;
    }
    const before = keyOf.get(setting.id);
    if (before !== undefined && before.text !== text) {
      problems.push(`${key} and ${before.key} contradict each other; ${before.key} counts`);
      continue;
    }
    keyOf.set(setting.id, { key, text });
    const problem = setting.read(text, {
      service: (said) => {
        ofService = { ...ofService, ...said };
      },
      port: (port, said) => void ofPorts.set(port, { ...ofPorts.get(port), ...said }),
    });
    if (problem !== undefined) problems.push(`${key}: ${problem}, not "${text}"`);
  }

  const ports = spec.ports.map((port) => {
    const made = portFor(port, ofPorts.get(port.port) ?? {});
    problems.push(...made.problems.map((text) => `port ${port.port}: ${text}`));
    return made.port;
  });
  const { softLimit = SOFT_LIMIT, hardLimit } = ofService;
  if (hardLimit !== undefined && hardLimit < softLimit) {
    problems.push(
      `the hard limit ${hardLimit} is below the soft limit ${softLimit}; both are ${hardLimit}`,
    );
  }
  const config: EdgeConfig = {
    ports,
    concurrency: {
      type: ofService.kind ?? "connections",
      softLimit: Math.min(softLimit, hardLimit ?? softLimit),
      ...(hardLimit !== undefined && { hardLimit }),
    },
    autostart: ofService.autostart ?? true,
    autostop: ofService.autostop ?? "off",
    minMachinesRunning: ofService.minMachinesRunning ?? 0,
  };
  return { config, problems };
}

/** Where what a setting says goes. */
interface Takers {
  service(said: SaidOfService): void;
  port(port: number, said: SaidOfPort): void;
}

interface FoundSetting {
  /** The same for both ways to name a port. */
  readonly id: string;
  /** Hands on what the text says, or returns what was expected of it. */
  readonly read: (text: string, takers: Takers) => string | undefined;
}

/** Which setting an annotation's name means; a string says what is wrong with it. */
function settingOf(name: string, ports: readonly ServicePort[]): FoundSetting | string {
  const readService = SERVICE_SETTINGS[name];
  if (readService !== undefined) {
    return {
      id: name,
      read: (text, takers) => problemOr(readService(text), (said) => takers.service(said)),
    };
  }
  const setting = Object.keys(PORT_SETTINGS).find((suffix) => name.endsWith(`-${suffix}`));
  const readPort = setting === undefined ? undefined : PORT_SETTINGS[setting];
  if (setting === undefined || readPort === undefined) return "is no annotation that is known";
  const which = name.slice(0, -setting.length - 1);
  const port = ports.find((one) => one.name === which || `${one.port}` === which)?.port;
  if (port === undefined) return `names port "${which}", which the Service does not have`;
  return {
    id: `${port} ${setting}`,
    read: (text, takers) => problemOr(readPort(text), (said) => takers.port(port, said)),
  };
}

function problemOr<Said>(read: Read<Said>, take: (said: Said) => void): string | undefined {
  if ("problem" in read) return read.problem;
  take(read.value);
  return undefined;
}
