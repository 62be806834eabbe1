/** Who is calling the kubelet API, and what they may do: asked of the API server. */
export interface Reviews {
  /** TokenReview; `undefined` when the token is not good. */
  authenticate(token: string, signal: AbortSignal): Promise<Identity | undefined>;
  /** SubjectAccessReview on this Node. */
  isAllowed(identity: Identity, access: NodeAccess, signal: AbortSignal): Promise<boolean>;
}

export interface Identity {
  readonly user: string;
  readonly groups: readonly string[];
  readonly uid?: string;
}

export interface NodeAccess {
  readonly node: string;
  readonly verb: "get" | "create" | "update" | "patch" | "delete";
  /** Of `nodes`: `proxy`, `log`, `metrics`, `stats`, `pods`, `healthz`, `configz` … */
  readonly subresource: string;
}
