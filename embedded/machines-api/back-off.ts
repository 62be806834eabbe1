/** How long to wait between tries, and how often to try at all. Data, so that it can be printed. */
export interface BackOff {
  readonly firstMs: number;
  readonly maxMs: number;
  /** After running this long the next end counts as the first one. */
  readonly resetMs: number;
}

/** Of containers that Kubernetes looks at. Source: the kubelet's own defaults. */
export const KUBELET_BACK_OFF: BackOff = { firstMs: 10_000, maxMs: 300_000, resetMs: 600_000 };

/** Of plain Machines: quick, because Fly gives up after ten tries in five minutes. */
export const PLAIN_BACK_OFF: BackOff = { firstMs: 1_000, maxMs: 30_000, resetMs: 300_000 };

/** The wait after one of `currentMs`; 0 means that there was none before. */
export function longer(backOff: BackOff, currentMs: number): number {
  return currentMs === 0 ? backOff.firstMs : Math.min(currentMs * 2, backOff.maxMs);
}

/** A duration as Go prints it: `10s`, `1m20s`, `5m0s`, `1.5s`, `250ms`. */
export function goDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 1_000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1_000;
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : "";
  return `${head}${seconds}s`;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration such as `1m30s`; undefined when it is none. */
export function parseGoDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit = ""] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(amount) * (UNIT_MS[unit] ?? 0);
  }
  return ms;
}
