import { expect, test } from "bun:test";
import { networkPlanFor } from "#core/fly/network.ts";
import { acceptRulesFor, droppingChainFor, egressRulesFor, withdrawRulesFor } from "./nft.ts";

const plan = networkPlanFor("0a1b2c3d");

const DOCKER = `table ip filter {
	chain FORWARD { # handle 1
		type filter hook forward priority filter; policy drop;
		counter jump DOCKER-USER # handle 5
	}
	chain DOCKER-USER { # handle 2
		counter return # handle 9
	}
}`;

test("only packets of our own range that leave by another way are masqueraded, in our own table", () => {
  expect(egressRulesFor(plan)).toContain(
    'ip saddr 100.79.64.0/18 oifname != "fks0a1b2c3d" masquerade',
  );
  expect(egressRulesFor(plan)).toContain("delete table ip fks_0a1b2c3d");
});

test("Docker's users have a chain of their own, which comes before its drop", () => {
  expect(droppingChainFor(plan, DOCKER)).toBe("DOCKER-USER");
  expect(acceptRulesFor(plan, "DOCKER-USER")).toBe(
    'insert rule ip filter DOCKER-USER iifname "fks0a1b2c3d" counter accept\n' +
      'insert rule ip filter DOCKER-USER oifname "fks0a1b2c3d" counter accept\n',
  );
});

test("a firewall that drops without Docker gets the rules in its own chain", () => {
  const firewall = DOCKER.replaceAll("DOCKER-USER", "ufw-user");

  expect(droppingChainFor(plan, firewall)).toBe("FORWARD");
});

test("a host that drops nothing is left alone, and so is one that has our rules", () => {
  const ours = DOCKER.replace("counter return", 'iifname "fks0a1b2c3d" counter accept');

  expect(droppingChainFor(plan, "")).toBeUndefined();
  expect(
    droppingChainFor(plan, DOCKER.replaceAll("DOCKER-USER", "x").replace("drop", "accept")),
  ).toBeUndefined();
  expect(droppingChainFor(plan, ours)).toBeUndefined();
});

test("our rules are withdrawn by their handles, nobody else's", () => {
  const ours = DOCKER.replace(
    "counter return # handle 9",
    'iifname "fks0a1b2c3d" accept # handle 7\n\t\tiifname "fks99999999" accept # handle 8\n\t\tcounter return # handle 9',
  );

  expect(withdrawRulesFor(plan, ours)).toBe("delete rule ip filter DOCKER-USER handle 7\n");
});
