import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { AnswerCounts } from "#core/dns/answerer.ts";

interface DnsNumbers {
  readonly counts: AnswerCounts;
  /** Questions that wait for the host's resolvers. */
  readonly waiting: () => number;
  /** Resolvers of the host that ask us in turn. */
  readonly looping: () => number;
  readonly machines: () => number;
}

const HELP: Readonly<Record<keyof AnswerCounts, string>> = {
  queries: "Queries that came.",
  repeated: "Queries answered from bytes that were made before.",
  forwarded: "Queries answered with what the host's resolvers said, now or before.",
  failed: "Queries that the host's resolvers did not answer.",
  limited: "Queries left unanswered because their client asks too much.",
  ignored: "Packets that were no query.",
};

/** The Prometheus text of the dns role, made anew at each call. */
export function dnsMetrics(numbers: DnsNumbers): () => Promise<string> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const { counts } = numbers;
  const reads: (() => void)[] = [];
  const number = (name: string, help: string, read: () => number): void => {
    const gauge = new Gauge({ name, help, registers });
    reads.push(() => gauge.set(read()));
  };

  number("fks_dns_queries_total", HELP.queries, () => counts.queries);
  number("fks_dns_repeated_total", HELP.repeated, () => counts.repeated);
  number("fks_dns_forwarded_total", HELP.forwarded, () => counts.forwarded);
  number("fks_dns_failed_total", HELP.failed, () => counts.failed);
  number("fks_dns_limited_total", HELP.limited, () => counts.limited);
  number("fks_dns_ignored_total", HELP.ignored, () => counts.ignored);
  number("fks_dns_waiting", "Questions that wait for the host's resolvers.", numbers.waiting);
  number("fks_dns_looping", "Resolvers of the host that ask us in turn.", numbers.looping);
  number("fks_dns_machines", "Machines whose names are known.", numbers.machines);
  return () => {
    for (const read of reads) read();
    return registry.metrics();
  };
}
