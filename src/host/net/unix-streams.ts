// src/host/net/unix-streams.ts — unix sockets as streams, for vsock: one to listen on, and those that a guest asks for.
import { chmodSync, existsSync, unlinkSync } from "node:fs";
import type { Stream, StreamEvents } from "../../net/wires.ts";
import { ExitCode, Failure } from "../../failure.ts";
import { connect, handlers, streamOf, type Held } from "./sockets.ts";

/** What --vsock says. */
export interface VsockOptions {
  /** The guest's address: 3 to 2^32 - 2. */
  readonly cid: number;
  /** The host's socket: who connects says "CONNECT port"; the guest's connections go to PATH_PORT. */
  readonly path?: string | undefined;
}
const LONGEST = 103 - "_4294967295".length;

/** Refuses what cannot be. */
export function checkVsock(vsock: VsockOptions | undefined): VsockOptions | undefined {
  if (vsock === undefined) return undefined;
  const { cid, path } = vsock, hint = "--vsock CID[,uds=PATH]";
  if (!Number.isInteger(cid) || cid < 3 || cid >= 0xffff_ffff) throw new Failure("HV-USAGE-VSOCK", "--vsock: the guest's address is 3 to 4294967294", { hint });
  if (path !== undefined && (path === "" || Buffer.byteLength(path) > LONGEST)) throw new Failure("HV-USAGE-VSOCK", `--vsock: uds: the path is ${path === "" ? "missing" : `longer than ${LONGEST} bytes`}`, { hint });
  return vsock;
}
/** `--vsock`'s text, or a refusal. */
export function parseVsock(text: string | undefined): VsockOptions | undefined {
  if (text === undefined) return undefined;
  const found = /^(\d{1,10})(?:,uds=(.*))?$/s.exec(text);
  if (found === null) throw new Failure("HV-USAGE-VSOCK", `--vsock: ${JSON.stringify(text)} is no address`, { hint: "--vsock CID[,uds=PATH]" });
  return checkVsock({ cid: Number(found[1]), path: found[2] });
}

/** The host's socket for a port of the guest's choice. */
export const connectPort = (path: string, port: number, events: StreamEvents): Stream => connect({ unix: `${path}_${port}` }, events);
/** Listens, for who runs hv only; `taken` as for TCP, `flag` for messages. Throws Failure. */
export function listenUnix(flag: "vsock" | "console", path: string, taken: (stream: Stream) => StreamEvents | undefined): { close(): void } {
  const code = `HV-${flag.toUpperCase()}`;
  if (existsSync(path)) throw new Failure(`${code}-BUSY`, `--${flag}: ${path}: is there already`, { hint: `another machine has it, or remove it: rm ${path}`, exit: ExitCode.busy });
  try {
    const listener = Bun.listen<Held>({
      unix: path, allowHalfOpen: true, data: undefined as never,
      socket: {
        ...handlers,
        open: socket => {
          socket.data = { events: undefined, failed: undefined, closed: false };
          socket.data.events = taken(streamOf(socket));
          if (socket.data.events === undefined) socket.terminate();
        },
      },
    } as Parameters<typeof Bun.listen<Held>>[0]);
    chmodSync(path, 0o600);
    return { close: () => {
      listener.stop();
      try { unlinkSync(path); } catch { /* somebody was faster */ }
    } };
  } catch (error) {
    throw new Failure(`${code}-LISTEN`, `--${flag}: ${path}: cannot listen there (${(error as { readonly code?: string }).code ?? String(error)})`, { hint: "choose another path", exit: ExitCode.failed, cause: error });
  }
}
