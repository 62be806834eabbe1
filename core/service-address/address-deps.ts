import type { NamespaceApps } from "../app/namespace-apps.ts";
import type { Clock } from "../ports/clock.ts";
import type { Services } from "../ports/services.ts";
import type { WithApp } from "./app-addresses.ts";
import type { Handed } from "./handed.ts";

/** What giving and taking back addresses of Services works with. */
export interface AddressDeps {
  readonly namespaceApps: NamespaceApps;
  readonly withApp: WithApp;
  readonly services: Services;
  readonly handed: Handed;
  readonly clock: Clock;
}
