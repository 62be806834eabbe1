import { canonical, isWithin, type Name } from "./name.ts";
import { ownDomainOf, type Zone } from "./zone.ts";

/**
 * The name that a client would come to by its search list, in one question instead of one for each
 * domain; `undefined` when the question is not the first of such a walk, or when asking somebody
 * else is the only way to know. `name` is one of ours and does not exist. Pure.
 *
 * `ndots:5` makes a C library ask for `example.com.default.svc.cluster.local` before `example.com`.
 * A name of one label is left to the client: it hardly is a name of somebody else's.
 */
export function completionOf(
  name: Name,
  zone: Zone,
  searches: () => readonly Name[],
): Name | undefined {
  const [first, ...others] = searches().map(canonical);
  if (first === undefined || first === "") return undefined;
  const key = canonical(name);
  if (!isWithin(key, first) || key === first) return undefined;
  const rest = name.slice(0, -first.length - 1);
  if (!rest.includes(".")) return undefined;

  for (const search of others) {
    const candidate = `${rest}.${search}`;
    if (ownDomainOf(canonical(candidate)) === undefined) return undefined;
    const found = zone.find(canonical(candidate));
    if (found.isUnknown === true) return undefined;
    if (found.records !== undefined) return candidate;
  }
  const isOurs = ownDomainOf(canonical(rest)) !== undefined;
  return isOurs && zone.find(canonical(rest)).records === undefined ? undefined : rest;
}
