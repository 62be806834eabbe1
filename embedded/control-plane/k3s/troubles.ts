import { type ErrorCode, FksError } from "#core/errors.ts";
import type { ChildDeath } from "#core/supervisor/child.ts";

const DEATHS_ENOUGH = 3;

interface Trouble {
  /** Found in its last words. */
  readonly words: RegExp;
  readonly code: ErrorCode;
  readonly meaning: string;
  readonly remedy: string;
  /** The host's trouble, not K3s' own: where it has been ready before, it can get so again. */
  readonly mayPass: boolean;
}

const TROUBLES: readonly Trouble[] = [
  {
    // Its own flags, those of the parts in it, and the names of their controllers.
    words: /flag provided but not defined|unknown flag: |not in the list of known controllers/,
    code: "Unsupported",
    meaning: "this K3s does not know an argument of ours",
    remedy: "take one of Kubernetes 1.34 to 1.37, or leave out --k3s-bin to get the pinned one",
    mayPass: false,
  },
  {
    words: /encrypted with different token/,
    code: "Unauthorized",
    meaning: "the datastore was written with another token than tokens/k3s",
    remedy: "bring both back from one backup with fks-node restore",
    mayPass: false,
  },
  {
    words: /\binvalid [\w-]*cidr\b/i,
    code: "InvalidInput",
    meaning: "K3s refuses the cluster's range of addresses",
    remedy: "put back the serviceRange that cluster.json had, or start over with fks-node reset",
    mayPass: false,
  },
  {
    words: /address already in use/,
    code: "Conflict",
    meaning: "a port that K3s needs is taken on this host",
    remedy: "end the process that has it, which ss -ltnp names, and start again",
    mayPass: true,
  },
  {
    words: /cannot assign requested address/,
    code: "Unsupported",
    meaning: "an address that K3s listens on is missing on this host",
    remedy: "see that ::1 is on lo: sysctl -w net.ipv6.conf.lo.disable_ipv6=0",
    mayPass: true,
  },
];

/**
 * The failure that a death of K3s means when it would only die of the same again: at the third in a
 * row, by its last words. Undefined for every other death. Pure.
 */
export function giveUpFor({ reason, deaths, hasBeenReady }: ChildDeath): FksError | undefined {
  if (deaths < DEATHS_ENOUGH) return undefined;
  const trouble = TROUBLES.find(({ words }) => words.test(reason));
  if (trouble === undefined || (trouble.mayPass && hasBeenReady)) return undefined;
  return new FksError(
    trouble.code,
    `${trouble.meaning}: ${trouble.remedy} (k3s died ${deaths} times, at last: ${reason})`,
  );
}
