import { expect, test } from "bun:test";
import { controlPlaneEnvironment } from "./environment.ts";

test.each([
  // Beats --config.
  "K3S_CONFIG_FILE",
  // Makes it join another cluster.
  "K3S_URL",
  "K3S_TOKEN",
  // Says what --data-dir says, unless the two differ.
  "K3S_DATA_DIR",
  "K3S_DATASTORE_ENDPOINT",
  "K3S_SUPERVISOR_PORT",
  "KINE_COMPACT_BATCH_SIZE",
  "NOTIFY_SOCKET",
  "INSTALL_K3S_EXEC",
  "AWS_ACCESS_KEY_ID",
  "KUBECONFIG",
  "GOMEMLIMIT",
  "GODEBUG",
  "HTTPS_PROXY",
  "https_proxy",
  "NO_PROXY",
  "FKS_NAME",
  "XDG_CONFIG_HOME",
])("%s does not reach a control plane", (name) => {
  const env = controlPlaneEnvironment({ PATH: "/bin", HOME: "/root", [name]: "meant for others" });

  expect(env).toEqual({ PATH: "/bin", HOME: "/root" });
});

test("K3s gets a home of its own, and the time zone", () => {
  const env = { PATH: "/bin", HOME: "/root", TZ: "Europe/Amsterdam" };

  expect(controlPlaneEnvironment(env, "/d/k3s/home")).toEqual({
    PATH: "/bin",
    HOME: "/d/k3s/home",
    TZ: "Europe/Amsterdam",
  });
});

test("programs are found even where nothing is set", () => {
  expect(controlPlaneEnvironment({})).toEqual({
    HOME: "/",
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
  });
});
