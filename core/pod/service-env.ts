import type { ServiceView } from "../ports/cluster.ts";

type Variable = readonly [name: string, value: string];

/**
 * Variables that tell of the Services of the Pod's namespace, those that Docker links once had
 * included. Source: Kubernetes docs, "Discovering services".
 */
export function serviceEnv(services: readonly ServiceView[]): readonly Variable[] {
  return services
    .filter(({ clusterIP }) => clusterIP !== "" && clusterIP !== "None")
    .flatMap(variablesOf);
}

function variablesOf({ name, clusterIP, ports }: ServiceView): readonly Variable[] {
  const prefix = variableName(name);
  const host = clusterIP.includes(":") ? `[${clusterIP}]` : clusterIP;
  const [first] = ports;
  const named = ports.flatMap((port): readonly Variable[] =>
    port.name === undefined
      ? []
      : [[`${prefix}_SERVICE_PORT_${variableName(port.name)}`, String(port.port)]],
  );
  const links = ports.flatMap(({ port, protocol = "TCP" }): readonly Variable[] => {
    const link = `${prefix}_PORT_${port}_${protocol}`;
    return [
      [link, `${protocol.toLowerCase()}://${host}:${port}`],
      [`${link}_PROTO`, protocol.toLowerCase()],
      [`${link}_PORT`, String(port)],
      [`${link}_ADDR`, clusterIP],
    ];
  });
  if (first === undefined) return [[`${prefix}_SERVICE_HOST`, clusterIP]];
  const { port, protocol = "TCP" } = first;
  return [
    [`${prefix}_SERVICE_HOST`, clusterIP],
    [`${prefix}_SERVICE_PORT`, String(port)],
    ...named,
    [`${prefix}_PORT`, `${protocol.toLowerCase()}://${host}:${port}`],
    ...links,
  ];
}

function variableName(text: string): string {
  return text.replaceAll("-", "_").toUpperCase();
}
