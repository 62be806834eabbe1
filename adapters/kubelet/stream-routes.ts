import { execMissFor } from "#core/kubelet/exec-target.ts";
import type { KubeletRequest } from "#core/kubelet/routes.ts";
import type { KubeletApiDeps } from "./deps.ts";
import { runAttach, runExec } from "./exec.ts";
import { type Forward, podForward } from "./port-forward.ts";
import type { RemoteStreams, SessionScope } from "./remote-streams.ts";
import { refuseUpgrade } from "./respond.ts";
import { COMMAND_PROTOCOLS, spdyCommand } from "./spdy/command.ts";
import { FORWARD_PROTOCOL, spdyForward } from "./spdy/forward.ts";
import { containerTarget, machineTarget } from "./target.ts";
import { acceptSpdy, acceptWebSocket, type UpgradeRequest, wantsSpdy } from "./upgrade.ts";
import { WEBSOCKET_COMMAND_PROTOCOLS, websocketCommand } from "./websocket/command.ts";
import {
  portsIn,
  TUNNEL_PROTOCOL,
  WEBSOCKET_FORWARD_PROTOCOLS,
  websocketForward,
} from "./websocket/forward.ts";
import { websocketPipe } from "./websocket/tunnel.ts";

type To<Kind extends KubeletRequest["to"]> = Extract<KubeletRequest, { readonly to: Kind }>;

interface StreamSession {
  readonly node: string;
  readonly upgrade: UpgradeRequest;
  readonly scope: SessionScope;
}

/** Resolves when the command ended or the client is gone. */
export async function serveExec(
  deps: KubeletApiDeps,
  request: To<"exec">,
  session: StreamSession,
): Promise<void> {
  const { node, upgrade, scope } = session;
  const target = await containerTarget(deps, node, request, execMissFor, scope.signal);
  if (!target.ok) return refuseUpgrade(upgrade.socket, target.status, target.message);
  if (request.command.length === 0) {
    return refuseUpgrade(upgrade.socket, 400, "a command is required");
  }
  const streams = await remoteStreams(deps, request, session);
  const { command, tty } = request;
  if (streams) await runExec(deps, { target, command, tty }, streams, scope.signal);
}

/** Resolves when the container ended or the client is gone. */
export async function serveAttach(
  deps: KubeletApiDeps,
  request: To<"attach">,
  session: StreamSession,
): Promise<void> {
  const { node, upgrade, scope } = session;
  const target = await containerTarget(deps, node, request, execMissFor, scope.signal);
  if (!target.ok) return refuseUpgrade(upgrade.socket, target.status, target.message);
  const streams = await remoteStreams(deps, request, session);
  if (streams) await runAttach(deps, target, streams, scope.signal);
}

async function remoteStreams(
  { clock }: KubeletApiDeps,
  wanted: To<"exec"> | To<"attach">,
  { upgrade, scope }: StreamSession,
): Promise<RemoteStreams | undefined> {
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr) {
    const text = "you must specify at least 1 of stdin, stdout, stderr";
    refuseUpgrade(upgrade.socket, 400, text);
    return undefined;
  }
  if (!wantsSpdy(upgrade)) {
    const accepted = await acceptWebSocket(upgrade, WEBSOCKET_COMMAND_PROTOCOLS);
    return accepted && websocketCommand(accepted, wanted, { scope, clock });
  }
  const accepted = acceptSpdy(upgrade, COMMAND_PROTOCOLS, true);
  if (accepted === undefined) return undefined;
  const { pipe, protocol } = accepted;
  // It rejects for one reason only: the client left, or did not open its streams in time.
  return spdyCommand(pipe, { wanted, protocol, clock, scope }).catch(() => undefined);
}

/** Resolves when the client is gone. */
export async function servePortForward(
  deps: KubeletApiDeps,
  request: To<"portForward">,
  { node, upgrade, scope }: StreamSession,
): Promise<void> {
  const target = machineTarget(deps, node, request);
  if (!target.ok) return refuseUpgrade(upgrade.socket, target.status, target.message);
  const forward = podForward(deps, target.pod, target.machine, scope.signal);
  const { clock } = deps;

  if (wantsSpdy(upgrade)) {
    const accepted = acceptSpdy(upgrade, [FORWARD_PROTOCOL], false);
    if (accepted) await spdyForward(accepted.pipe, { forward, clock, scope });
    return;
  }
  await forwardOverWebSocket(upgrade, request.ports, forward, { clock, scope });
}

async function forwardOverWebSocket(
  upgrade: UpgradeRequest,
  portTexts: readonly string[],
  forward: Forward,
  { clock, scope }: Pick<KubeletApiDeps, "clock"> & { readonly scope: SessionScope },
): Promise<void> {
  const ports = portsIn(portTexts);
  const offered = upgrade.request.headers["sec-websocket-protocol"] ?? "";
  if (ports === undefined && !offered.includes(TUNNEL_PROTOCOL)) {
    return refuseUpgrade(upgrade.socket, 400, 'query parameter "port" must name ports, 1 to 65535');
  }
  const accepted = await acceptWebSocket(upgrade, WEBSOCKET_FORWARD_PROTOCOLS);
  if (accepted === undefined) return;
  if (accepted.protocol === TUNNEL_PROTOCOL) {
    return spdyForward(websocketPipe(accepted.ws), { forward, clock, scope });
  }
  await websocketForward(accepted, ports ?? [], forward, { scope, clock });
}
