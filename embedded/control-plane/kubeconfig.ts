import { Document } from "yaml";

interface Kubeconfig {
  /** Of the cluster, the user and the context that ties them together. */
  readonly name: string;
  /** Base URL of the API server. */
  readonly server: string;
  /** PEM text inside the file, or paths of files that are read again when they change. */
  readonly credentials:
    | { readonly ca: string; readonly cert: string; readonly key: string }
    | { readonly caFile: string; readonly certFile: string; readonly keyFile: string };
}

/** A kubeconfig with one context, as YAML text. Pure. */
export function kubeconfigText({ name, server, credentials }: Kubeconfig): string {
  const [cluster, user] =
    "ca" in credentials
      ? [
          { "certificate-authority-data": base64(credentials.ca) },
          {
            "client-certificate-data": base64(credentials.cert),
            "client-key-data": base64(credentials.key),
          },
        ]
      : [
          { "certificate-authority": credentials.caFile },
          { "client-certificate": credentials.certFile, "client-key": credentials.keyFile },
        ];
  const document = new Document({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, ...cluster } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
  return document.toString({ lineWidth: 0 });
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
