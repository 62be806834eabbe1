import { parse } from "yaml";
import { z } from "zod";
import { FksError } from "#core/errors.ts";
import type { Credentials } from "./client.ts";

const kubeconfigSchema = z.object({
  "current-context": z.string(),
  contexts: z.array(
    z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) }),
  ),
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.object({
        server: z.string(),
        "certificate-authority-data": z.string().optional(),
      }),
    }),
  ),
  users: z.array(
    z.object({
      name: z.string(),
      user: z.object({
        "client-certificate-data": z.string().optional(),
        "client-key-data": z.string().optional(),
        token: z.string().optional(),
      }),
    }),
  ),
});

export interface Access {
  readonly server: string;
  /** PEM. */
  readonly ca?: string;
  readonly credentials: Credentials;
}

/** What the current context of a kubeconfig says; throws `InvalidInput` with the reason. */
export function accessFrom(text: string): Access {
  const config = kubeconfigSchema.safeParse(yamlOf(text));
  if (!config.success) {
    throw new FksError(
      "InvalidInput",
      `the kubeconfig is not valid: ${z.prettifyError(config.error)}`,
    );
  }
  const { contexts, clusters, users, "current-context": current } = config.data;
  const context = contexts.find(({ name }) => name === current)?.context;
  const cluster = clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const user = users.find(({ name }) => name === context?.user)?.user;
  if (cluster === undefined || user === undefined) {
    throw new FksError("InvalidInput", `the kubeconfig has no complete context "${current}"`);
  }
  const ca = cluster["certificate-authority-data"];
  return {
    server: cluster.server.replace(/\/$/, ""),
    ...(ca === undefined ? {} : { ca: decoded(ca) }),
    credentials: credentialsOf(user),
  };
}

function credentialsOf(
  user: z.infer<typeof kubeconfigSchema>["users"][number]["user"],
): Credentials {
  const { "client-certificate-data": cert, "client-key-data": key, token } = user;
  if (cert !== undefined && key !== undefined) return { cert: decoded(cert), key: decoded(key) };
  if (token !== undefined) return { token };
  throw new FksError("InvalidInput", "the kubeconfig's user has neither a certificate nor a token");
}

function yamlOf(text: string): unknown {
  try {
    return parse(text);
  } catch (cause) {
    throw new FksError("InvalidInput", "the kubeconfig is not YAML", { cause });
  }
}

function decoded(base64: string): string {
  return Buffer.from(base64, "base64").toString("utf8");
}
