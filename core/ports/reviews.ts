/** Who is calling, and what they may do: asked of the API server. */
interface TokenReviews {
  /** TokenReview; `undefined` when the token is not good. */
  authenticate(token: string, signal: AbortSignal): Promise<Identity | undefined>;
}

/** For callers of the kubelet API. */
export interface Reviews extends TokenReviews {
  /** SubjectAccessReview on this Node. */
  isAllowed(identity: Identity, access: NodeAccess, signal: AbortSignal): Promise<boolean>;
}

/** For callers of an API that the API server hands on to us. */
export interface AccessReviews extends TokenReviews {
  /** SubjectAccessReview on a resource or a path. */
  mayAccess(identity: Identity, access: Access, signal: AbortSignal): Promise<boolean>;
}

export interface Identity {
  readonly user: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export type Access =
  | {
      readonly verb: string;
      readonly group: string;
      readonly version: string;
      readonly resource: string;
      readonly namespace?: string;
      readonly name?: string;
    }
  | { readonly verb: string; readonly path: string };

export interface NodeAccess {
  readonly node: string;
  readonly verb: "get" | "create" | "update" | "patch" | "delete";
  /** Of `nodes`: `proxy`, `log`, `metrics`, `stats`, `pods`, `healthz`, `configz` … */
  readonly subresource: string;
}

/** How the API server says whom it speaks for; the cluster's `extension-apiserver-authentication`. */
export interface RequestHeaderRules {
  /** PEM: who signs the certificate of the API server as a proxy. */
  readonly ca: string;
  /** Common names it may have; empty: any. */
  readonly allowedNames: readonly string[];
  readonly userHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}
