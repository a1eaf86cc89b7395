// src/host/net/sockets.ts — the host's sockets, as the user network wants them: streams with back-pressure both ways, datagrams,
// listeners for published ports; and what the host knows of its own addresses and name servers.
import { readFileSync, statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { addressText, canonical, prefix, type Prefix } from "../../net/address.ts";
import type { HostAddresses } from "../../net/policy.ts";
import type { DatagramEvents, Datagrams, Endpoint, HostSockets, Stream, StreamEvents } from "../../net/wires.ts";
import { addressBytes } from "../../net/address.ts";
import { ExitCode, Failure } from "../../failure.ts";
import { PUBLISH_HINT, type PublishOptions } from "./options.ts";

type Socket = Bun.Socket<Held>;
/** A stream's events, once there is somebody to hear them. */
export interface Held { events: StreamEvents | undefined; failed: string | undefined; closed: boolean }
const codeOf = (error: unknown): string => (error as { readonly code?: string } | undefined)?.code ?? "EIO";

export const handlers: Bun.SocketHandler<Held> = {
  data: (socket, bytes) => socket.data.events?.data(bytes),
  end: socket => socket.data.events?.end(),
  drain: socket => socket.data.events?.writable(),
  error: (socket, error) => { socket.data.failed ??= codeOf(error); },
  close: (socket, error) => {
    if (socket.data.closed) return;
    socket.data.closed = true;
    socket.data.events?.closed(socket.data.failed ?? (error === undefined || error === null ? undefined : codeOf(error)));
  },
};
export function streamOf(socket: Socket): Stream {
  const { data } = socket;
  return {
    // what a closed socket does not take is of no use to anybody: `closed` follows
    write: bytes => (data.closed ? bytes.length : Math.max(0, socket.write(bytes))),
    finish: () => { if (!data.closed) socket.shutdown(); },
    pause: () => { if (!data.closed) socket.pause(); },
    resume: () => { if (!data.closed) socket.resume(); },
    reset: () => {
      if (data.closed) return;
      data.closed = true;
      socket.terminate();
    },
  };
}

export function connect(to: Endpoint | { readonly unix: string }, events: StreamEvents): Stream {
  let stream: Stream | undefined;
  let given = false, over = false;
  const held: Held = { events, failed: undefined, closed: false };
  const failed = (error: unknown): void => {
    if (over || given) return;
    over = true;
    events.closed(codeOf(error));
  };
  Bun.connect<Held>({
    ...("unix" in to ? { unix: to.unix } : { hostname: to.address, port: to.port }), allowHalfOpen: true, data: held,
    socket: {
      ...handlers,
      open: socket => {
        if (given) return socket.terminate();
        socket.setNoDelay(true);
        stream = streamOf(socket);
        events.opened();
      },
      connectError: (_, error) => failed(error),
    },
  } as Parameters<typeof Bun.connect<Held>>[0]).catch(failed);
  return {
    write: bytes => stream?.write(bytes) ?? 0,
    finish: () => stream?.finish(),
    pause: () => stream?.pause(),
    resume: () => stream?.resume(),
    reset: () => {
      given = true;
      stream?.reset();
    },
  };
}

/** Datagrams that wait for a socket which is being made. */
const WAITING = 16;
function datagrams(family: 4 | 6, events: DatagramEvents): Datagrams {
  let socket: Bun.udp.Socket<"buffer"> | undefined;
  let closed = false;
  const waiting: { to: Endpoint; bytes: Uint8Array }[] = [];
  const send = (to: Endpoint, bytes: Uint8Array): void => {
    try {
      socket?.send(bytes, to.port, to.address); // false: the host's buffer is full, and a datagram may be lost
    } catch (error) {
      events.failed(to, codeOf(error));
    }
  };
  Bun.udpSocket({
    hostname: family === 4 ? "0.0.0.0" : "::",
    socket: { data: (_, bytes, port, address) => { if (!closed) events.data({ address: canonical(address) ?? address, port }, bytes); }, error: () => {} },
  }).then(made => {
    if (closed) return made.close();
    socket = made;
    for (const { to, bytes } of waiting.splice(0)) send(to, bytes);
  }, error => {
    for (const { to } of waiting.splice(0)) events.failed(to, codeOf(error));
  });
  return {
    send: (to, bytes) => {
      if (closed) return;
      if (socket !== undefined) send(to, bytes);
      else if (waiting.length < WAITING) waiting.push({ to, bytes: bytes.slice() });
    },
    close: () => {
      closed = true;
      socket?.close();
    },
  };
}

/** How long what the host said of itself is taken for true. */
const FRESH_MS = 2000;
function remembered<T>(look: () => T): () => T {
  let value: T | undefined, at = 0;
  return () => {
    const now = performance.now();
    if (value === undefined || now - at > FRESH_MS) [value, at] = [look(), now];
    return value;
  };
}
function hostAddresses(): HostAddresses {
  const own = new Set<string>(), attached: Prefix[] = [];
  for (const all of Object.values(networkInterfaces())) {
    for (const { address, cidr } of all ?? []) {
      const bytes = addressBytes(address);
      if (bytes === undefined) continue;
      own.add(addressText(bytes));
      // a prefix of everything (a tunnel, say) says nothing about what is near
      if (cidr !== null && !/\/[0-7]$/.test(cidr)) attached.push(prefix(cidr.replace(/%[^/]*/, "")));
    }
  }
  return { own, attached };
}
const RESOLV_CONF = "/etc/resolv.conf";
const DNS = 53;
/** The name servers of resolv.conf(5); the file is read again when it has changed. */
export function resolverFile(path: string = RESOLV_CONF): () => readonly Endpoint[] {
  let known: readonly Endpoint[] = [], stamp = "";
  return remembered(() => {
    try {
      const { mtimeMs, ino, size } = statSync(path), now = `${mtimeMs} ${ino} ${size}`;
      if (now === stamp) return known;
      stamp = now;
      known = parseResolvers(readFileSync(path, "utf8"));
    } catch {
      [known, stamp] = [[], ""];
    }
    return known;
  });
}
export function parseResolvers(text: string): readonly Endpoint[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].flatMap(([, word = ""]) => {
    const address = canonical(word);
    return address === undefined ? [] : [{ address, port: DNS }];
  });
}

/** The host's sockets; `dns`: name servers in place of the host's. */
export function hostSockets(dns: readonly Endpoint[] | undefined): HostSockets {
  const resolvers = dns === undefined ? resolverFile() : () => dns;
  return { connect, datagrams, addresses: remembered(hostAddresses), resolvers };
}

export interface Listener { readonly address: string; readonly port: number; close(): void }
const refusal = (one: PublishOptions, error: unknown): Failure => {
  const code = codeOf(error), where = `${one.address ?? "127.0.0.1"}:${one.port}`;
  if (code === "EADDRINUSE") return new Failure("HV-PUBLISH-BUSY", `--publish: ${where} is in use on this host`, { hint: "choose another port of the host", exit: ExitCode.busy, cause: error });
  if (code === "EACCES" || code === "EPERM") return new Failure("HV-PUBLISH-DENIED", `--publish: this host does not let you listen on ${where} (${code})`, { hint: "choose a port above 1023", exit: ExitCode.failed, cause: error });
  return new Failure("HV-PUBLISH", `--publish: cannot listen on ${where} (${code})`, { hint: PUBLISH_HINT, exit: ExitCode.failed, cause: error });
};
/** Listens for streams; `taken` gives their events, undefined refuses. Throws Failure. */
export function listen(one: PublishOptions, taken: (stream: Stream) => StreamEvents | undefined): Listener {
  try {
    const listener = Bun.listen<Held>({
      hostname: one.address ?? "127.0.0.1", port: one.port, allowHalfOpen: true, data: undefined as never,
      socket: {
        ...handlers,
        open: socket => {
          socket.data = { events: undefined, failed: undefined, closed: false };
          socket.setNoDelay(true);
          socket.data.events = taken(streamOf(socket));
          if (socket.data.events === undefined) socket.terminate();
        },
      },
    });
    return { address: one.address ?? "127.0.0.1", port: listener.port, close: () => listener.stop() };
  } catch (error) {
    throw refusal(one, error);
  }
}
/** The same for datagrams; `answer` sends one back. Rejects with Failure. */
export async function listenDatagrams(one: PublishOptions, taken: (from: Endpoint, bytes: Uint8Array, answer: (bytes: Uint8Array) => void) => void): Promise<Listener> {
  try {
    const socket = await Bun.udpSocket({
      hostname: one.address ?? "127.0.0.1", port: one.port,
      socket: {
        data: (own, bytes, port, address) => taken({ address, port }, bytes, answer => {
          try { own.send(answer, port, address); } catch { /* whoever asked is gone */ }
        }),
        error: () => {},
      },
    });
    return { address: one.address ?? "127.0.0.1", port: socket.port, close: () => socket.close() };
  } catch (error) {
    throw refusal(one, error);
  }
}
