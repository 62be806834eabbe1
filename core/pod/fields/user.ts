import type { Container, Pod, UserContext } from "../../kube/pod.ts";
import type { Values } from "./field.ts";

/** Who runs the container: its own securityContext, field by field, over the Pod's. */
export function userContextFor(pod: Pod, container: Container): UserContext {
  const { runAsUser, runAsGroup } = { ...pod.spec.securityContext, ...container.securityContext };
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
  };
}

export const WITHOUT_USER: Values = {
  text: "set without `runAsUser`",
  has: (_value, pod) =>
    pod.spec.containers.some((container) => {
      const { runAsUser, runAsGroup } = userContextFor(pod, container);
      return runAsGroup !== undefined && runAsUser === undefined;
    }),
};

export const NOT_PROVEN_NON_ROOT: Values = {
  text: "`true` without a `runAsUser` above 0",
  has: (value, pod) =>
    value === true &&
    pod.spec.containers.some((one) => (userContextFor(pod, one).runAsUser ?? 0) === 0),
};
