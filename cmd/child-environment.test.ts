import { expect, test } from "bun:test";
import { roleEnvironment } from "./child-environment.ts";
import { loadConfig } from "./config.ts";

test("children get our configuration and none of what others meant for us", async () => {
  const config = await loadConfig({ flags: { name: "demo" }, env: {} });
  const env = {
    PATH: "/bin",
    HTTPS_PROXY: "http://proxy:3128",
    NO_PROXY: "corp",
    BUN_OPTIONS: "--preload x",
    NODE_OPTIONS: "--inspect",
    FKS_NAME: "other",
    KINE_ENDPOINT: "postgres://",
    KUBECONFIG: "/home/x/.kube/config",
  };
  const role = roleEnvironment(env, config, ["fdaa::9"]);

  expect(role).toMatchObject({ PATH: "/bin", HTTPS_PROXY: "http://proxy:3128", FKS_NAME: "demo" });
  expect(role["NO_PROXY"]).toBe("corp,localhost,127.0.0.1,::1,[::1],fdaa::9,[fdaa::9]");
  for (const name of ["BUN_OPTIONS", "NODE_OPTIONS", "KINE_ENDPOINT", "KUBECONFIG"]) {
    expect(role).not.toHaveProperty(name);
  }
});

test("a role may follow a thousand logs and still call the API server", async () => {
  const config = await loadConfig({ flags: {}, env: {} });
  const program = `
    const server = Bun.serve({ port: 0, fetch: () => new Response(new ReadableStream({
      start(controller) { controller.enqueue("x"); },
      pull: () => new Promise(() => {}),
    })) });
    await Promise.all(Array.from({ length: 1000 }, () => fetch(server.url)));
    console.log("open");
    process.exit();`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: roleEnvironment(process.env, config, []),
    timeout: 10_000,
  });

  expect(await new Response(child.stdout).text()).toBe("open\n");
});
