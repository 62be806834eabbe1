/** Events about objects other than Pods, told by the role itself. */
export interface ObjectEvents {
  /** Never throws: an Event that cannot be told is a line in the log. */
  tell(about: EventObject, event: ObjectEvent, signal: AbortSignal): Promise<void>;
}

export interface EventObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly uid: string };
}

export interface ObjectEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  /** The same news twice is one Event. */
  readonly message: string;
}
