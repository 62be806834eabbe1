type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The whole environment of a control plane: nothing that could change what it does. Pure.
 *
 * What is kept is named, not what is left out: K3s alone reads `K3S_…` (some of them before its
 * arguments), `KINE_…`, `NOTIFY_SOCKET` and the proxies. Where it unpacks itself is said by
 * `--data-dir`, which it heeds for that too.
 */
export function controlPlaneEnvironment(
  env: Environment,
  home: string = env["HOME"] ?? "/",
): Record<string, string> {
  const { PATH = "/usr/sbin:/usr/bin:/sbin:/bin", TZ } = env;
  return { HOME: home, PATH, ...(TZ === undefined ? {} : { TZ }) };
}
