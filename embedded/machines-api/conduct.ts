import type { Bundle, ContainerBundle } from "#core/fly/machine-protocol.ts";

/**
 * What a bundle says about how a container is treated, apart from how it is started. It is looked at
 * with every step, so it stays in memory; secret values are not in it.
 */
export type Conduct = Pick<
  ContainerBundle,
  | "refused"
  | "resources"
  | "restartOnResize"
  | "probes"
  | "hooks"
  | "terminationMessage"
  | "restartRules"
>;

/** By container; one that is not in it has nothing said about it. */
export type Conducts = ReadonlyMap<string, Conduct>;

export function conductsOf(bundle: Bundle | undefined): Conducts {
  const entries = Object.entries(bundle?.containers ?? {});
  return new Map(
    entries.map(([name, given]) => {
      const { refused, resources, probes, hooks, terminationMessage, restartRules } = given;
      const { restartOnResize } = given;
      const conduct: Conduct = {
        ...(refused && { refused }),
        ...(resources && { resources }),
        ...(restartOnResize && { restartOnResize }),
        ...(probes && { probes }),
        ...(hooks && { hooks }),
        ...(terminationMessage && { terminationMessage }),
        ...(restartRules && { restartRules }),
      };
      return [name, conduct];
    }),
  );
}
