import { expect, test } from "bun:test";
import { proxyFor } from "./proxy.ts";

const github = new URL("https://github.com/k3s");
const mirror = new URL("http://mirror.lan:8080/k3s");

test.each([
  [{}, undefined],
  [{ HTTPS_PROXY: "http://proxy:3128" }, "http://proxy:3128/"],
  [{ https_proxy: "http://lower", HTTPS_PROXY: "http://upper" }, "http://lower/"],
  [{ HTTP_PROXY: "http://proxy:3128" }, undefined],
  [{ ALL_PROXY: "http://all" }, "http://all/"],
  [{ ALL_PROXY: "http://all", HTTPS_PROXY: "https://one" }, "https://one/"],
  [{ HTTPS_PROXY: "proxy:3128" }, "http://proxy:3128/"],
  [{ HTTPS_PROXY: "socks5://proxy:1080" }, undefined],
  [{ HTTPS_PROXY: "http://[" }, undefined],
  [{ HTTPS_PROXY: "" }, undefined],
])("with %j github.com is reached by %s", (env, proxy) => {
  expect(proxyFor(github, env)?.href).toBe(proxy);
});

test("a mirror on plain http has the proxy for http", () => {
  expect(proxyFor(mirror, { HTTP_PROXY: "http://proxy:3128" })?.host).toBe("proxy:3128");
});

test.each([
  ["*", mirror, false],
  ["mirror.lan", mirror, false],
  [".lan", mirror, false],
  ["*.lan", mirror, false],
  ["LAN", mirror, false],
  ["a, lan", mirror, false],
  ["mirror.lan:8080", mirror, false],
  ["mirror.lan:80", mirror, true],
  ["rror.lan", mirror, true],
  ["", mirror, true],
  ["github.com:443", github, false],
  ["10.0.0.0/8", new URL("https://10.1.2.3/"), false],
  ["10.0.0.0/8", new URL("https://11.1.2.3/"), true],
  ["10.1.2.3:443", new URL("https://10.1.2.3/"), false],
  ["fd00::/8", new URL("https://[fdaa::1]/"), false],
  ["fdaa::1", new URL("https://[fdaa:0::1]/"), false],
  ["[fdaa::1]:443", new URL("https://[fdaa::1]/"), false],
  ["[fdaa::1]:80", new URL("https://[fdaa::1]/"), true],
  ["10.0.0.0/99", new URL("https://10.1.2.3/"), true],
])("NO_PROXY=%s and %s: by the proxy %p", (list, url, isProxied) => {
  const env = { ALL_PROXY: "http://proxy", NO_PROXY: list };

  expect(proxyFor(url, env) !== undefined).toBe(isProxied);
});
