import type { ObjectMeta } from "./meta.ts";

/** What a claim, a volume and a class are, as far as we read them. In the API's own words. */
interface Meta extends ObjectMeta {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
}

export interface PersistentVolumeClaim {
  readonly metadata: Meta & { readonly namespace: string };
  readonly spec: {
    readonly accessModes: readonly string[];
    /** "" for none. */
    readonly storageClassName: string;
    readonly volumeMode: "Filesystem" | "Block";
    /** "" while it is not bound. */
    readonly volumeName: string;
    /** A quantity. */
    readonly storage: string;
    readonly selector?: {
      readonly matchLabels: Readonly<Record<string, string>>;
      readonly matchExpressions: readonly unknown[];
    };
    /** It is to start with data of something else. */
    readonly hasSource: boolean;
  };
  readonly status: {
    readonly phase: "Pending" | "Bound" | "Lost";
    /** A quantity; "" while it is not bound. */
    readonly storage: string;
    readonly conditions: readonly { readonly type: string; readonly status: string }[];
  };
}

export interface PersistentVolume {
  readonly metadata: Meta;
  readonly spec: {
    /** A quantity. */
    readonly storage: string;
    readonly reclaimPolicy: "Delete" | "Retain" | "Recycle";
    readonly claimRef?: { readonly namespace: string; readonly name: string; readonly uid: string };
    readonly csi?: {
      readonly driver: string;
      readonly volumeHandle: string;
      readonly readOnly: boolean;
    };
    /** Each term is one of several that are enough. */
    readonly nodeSelectorTerms: readonly NodeSelectorTerm[];
  };
  readonly status: {
    readonly phase: "Pending" | "Available" | "Bound" | "Released" | "Failed";
  };
}

export interface NodeSelectorTerm {
  readonly matchExpressions: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values: readonly string[];
  }[];
}

export interface StorageClass {
  readonly metadata: Meta;
  readonly provisioner: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly reclaimPolicy: "Delete" | "Retain";
  readonly mountOptions: readonly string[];
  readonly volumeBindingMode: "Immediate" | "WaitForFirstConsumer";
  /** Each of them is enough; empty: anywhere. */
  readonly allowedTopologies: readonly {
    readonly matchLabelExpressions: readonly {
      readonly key: string;
      readonly values: readonly string[];
    }[];
  }[];
}
