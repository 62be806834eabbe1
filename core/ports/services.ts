import type { Service } from "../kube/service.ts";

/** Services as the API server has them. */
export interface Services {
  /** As it is now; `undefined` only for a 404. */
  read(namespace: string, name: string, signal: AbortSignal): Promise<Service | undefined>;
  /** As the watch last told, by `namespace/name`. */
  get(key: string): Service | undefined;
  all(): readonly Service[];
  /** Sets annotations; others stay. Throws `NotFound`, `Conflict` when it is another one by now. */
  annotate(
    service: Service,
    annotations: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void>;
}
