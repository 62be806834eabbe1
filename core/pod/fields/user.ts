import type { Container, Pod, UserContext } from "../../kube/pod.ts";
import { membersOf } from "../container-roles.ts";
import type { Values } from "./field.ts";

/** What both securityContexts may say: the container's own word, field by field, over the Pod's. */
export function userContextFor(pod: Pod, container: Container): UserContext {
  const { runAsUser, runAsGroup, runAsNonRoot, seccompProfile } = {
    ...pod.spec.securityContext,
    ...container.securityContext,
  };
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(runAsNonRoot === undefined ? {} : { runAsNonRoot }),
    ...(seccompProfile === undefined ? {} : { seccompProfile }),
  };
}

export const WITHOUT_USER: Values = {
  text: "set without `runAsUser`",
  has: (_value, pod) =>
    membersOf(pod).some(({ container }) => {
      const { runAsUser, runAsGroup } = userContextFor(pod, container);
      return runAsGroup !== undefined && runAsUser === undefined;
    }),
};

export const NOT_PROVEN_NON_ROOT: Values = {
  text: "`true` without a `runAsUser` above 0",
  has: (value, pod) =>
    value === true &&
    membersOf(pod).some(({ container }) => (userContextFor(pod, container).runAsUser ?? 0) === 0),
};
