// src/host/net/options.ts — a machine's networks as plain data, and what of it can be refused before anything is opened.
import { Failure } from "../../failure.ts";
import { canonical } from "../../net/address.ts";

export interface NetOptions {
  /**
   * What is behind the interface: `user`, hv's own network with the host's sockets; `socket` and `unix`, a stream of frames
   * as QEMU's; `tap`, an interface of the host (Linux); `none`: the machine gets no interface.
   */
  readonly kind: "user" | "none" | "socket" | "unix" | "tap";
  /** socket: ADDRESS:PORT; unix: a path; tap: the interface's name. */
  readonly to?: string | undefined;
  /** socket and unix: wait for the other side instead of calling it. */
  readonly listen?: boolean | undefined;
  /** Default: 52:54:00:12:34:56, and one more for each further interface. */
  readonly mac?: string | undefined;
  /** Bytes of the longest packet, 576 to 65521; default 1500. */
  readonly mtu?: number | undefined;
  /** Every frame goes into this file. */
  readonly pcap?: string | undefined;
  /** user: the guest may reach the host: its addresses, and its loopback as 10.0.2.2. */
  readonly allowHost?: boolean | undefined;
  /** user: the guest may reach private and link-local addresses. */
  readonly allowLan?: boolean | undefined;
  /** user: name servers in place of the host's, ADDRESS or ADDRESS:PORT. */
  readonly dns?: readonly string[] | undefined;
}
export interface PublishOptions {
  /** An address of the host; default 127.0.0.1. */
  readonly address?: string | undefined;
  /** 0: any that is free. */
  readonly port: number;
  readonly guestPort: number;
  /** Default tcp. */
  readonly protocol?: "tcp" | "udp" | undefined;
}
export const MAX_NETS = 8;
export const DEFAULT_MTU = 1500;
const NET_HINT = "user|none|socket=ADDRESS:PORT[,listen]|unix=PATH[,listen]|tap=NAME[,mac=][,mtu=][,pcap=FILE][,allow-host][,allow-lan][,dns=ADDRESS]";
export const PUBLISH_HINT = "[ADDRESS:]HOSTPORT:GUESTPORT[/udp]";
const bad = (what: string, hint: string = NET_HINT): Failure => new Failure("HV-USAGE-NET", `--net: ${what}`, { hint });

/** The bytes of a MAC address that a machine may have; undefined for any other text. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) return undefined;
  const mac = Uint8Array.from(text.split(/[:-]/), byte => Number.parseInt(byte, 16));
  return ((mac[0] as number) & 1) !== 0 || mac.every(one => one === 0) ? undefined : mac;
}
/** The MAC of interface `n` when nothing else was said. */
export const defaultMac = (n: number): Uint8Array => Uint8Array.of(0x52, 0x54, 0x00, 0x12, 0x34, 0x56 + n);

/** "ADDRESS", "ADDRESS:PORT", "[ADDRESS]:PORT"; undefined for any other text. Names are not looked up. */
export function parseEndpoint(text: string, port?: number): { readonly address: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+|localhost))(?::(\d{1,5}))?$/i.exec(text) ?? /^()([0-9a-f]*:[0-9a-f:.]*)()$/i.exec(text);
  if (match === null) return undefined;
  const number = match[3] === undefined || match[3] === "" ? port : Number(match[3]);
  const word = match[1] || (match[2] as string);
  const address = word === "localhost" ? "127.0.0.1" : canonical(word);
  return address === undefined || number === undefined || number > 65_535 ? undefined : { address, port: number };
}

/** `--net`'s text. */
export function parseNet(text: string): NetOptions {
  const [head = "", ...words] = text.split(",");
  const equals = head.indexOf("="), name = equals < 0 ? head : head.slice(0, equals), to = equals < 0 ? undefined : head.slice(equals + 1);
  const kind = (["user", "none", "socket", "unix", "tap"] as const).find(one => one === name);
  if (kind === undefined) throw bad(`there is no network ${JSON.stringify(name)}`);
  let net: NetOptions = { kind, ...(to === undefined ? {} : { to }) };
  for (const word of words) {
    const [key = "", value] = word.includes("=") ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] : [word];
    if (key === "listen" && value === undefined) net = { ...net, listen: true };
    else if (key === "allow-host" && value === undefined) net = { ...net, allowHost: true };
    else if (key === "allow-lan" && value === undefined) net = { ...net, allowLan: true };
    else if (key === "mac" && value !== undefined) net = { ...net, mac: value };
    else if (key === "mtu" && value !== undefined) net = { ...net, mtu: /^\d{1,5}$/.test(value) ? Number(value) : NaN };
    else if (key === "pcap" && value !== undefined) net = { ...net, pcap: value };
    else if (key === "dns" && value !== undefined) net = { ...net, dns: [...(net.dns ?? []), value] };
    else throw bad(`${kind} has no option ${JSON.stringify(word)}`);
  }
  return net;
}
/** `--publish`'s text. */
export function parsePublish(text: string): PublishOptions {
  const match = /^(?:(\[[0-9a-f:.]+\]|[0-9.]+|localhost):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/i.exec(text);
  if (match === null) throw new Failure("HV-USAGE-PUBLISH", `--publish: ${JSON.stringify(text)} names no ports`, { hint: PUBLISH_HINT });
  return { ...(match[1] === undefined ? {} : { address: match[1].replace(/^\[|\]$/g, "").replace("localhost", "127.0.0.1") }), port: Number(match[2]), guestPort: Number(match[3]), protocol: match[4]?.toLowerCase() === "udp" ? "udp" : "tcp" };
}

/** What a machine gets in the end: no interface for `none`, a user network for ports that are published. Refuses what cannot be. */
export function checkNets(nets: readonly NetOptions[], publish: readonly PublishOptions[]): readonly NetOptions[] {
  if (nets.some(one => one.kind === "none")) {
    if (nets.length > 1) throw bad("none stands alone", "leave out the others, or none");
    if (publish.length > 0) throw new Failure("HV-USAGE-PUBLISH", "--publish: there is no user network to publish from", { hint: "--net user" });
    return [];
  }
  const all = nets.length === 0 && publish.length > 0 ? [{ kind: "user" } as const] : nets;
  if (all.length > MAX_NETS) throw bad(`${all.length} interfaces, but there is room for ${MAX_NETS}`, "give fewer");
  for (const net of all) {
    const { kind, to, mac, mtu, dns } = net;
    if ((kind === "user") !== (to === undefined) || to === "") throw bad(kind === "user" ? "user has no value" : `${kind} needs to be told where to`);
    if (kind === "socket" && parseEndpoint(to as string) === undefined) throw bad(`socket: ${JSON.stringify(to)} is no address and port`, "socket=127.0.0.1:1234");
    if (kind === "tap" && !/^[^\s/]{1,15}$/.test(to as string)) throw bad(`tap: ${JSON.stringify(to)} is no name of an interface`, "1 to 15 characters");
    if (kind === "unix" && Buffer.byteLength(to as string) > 103) throw bad("unix: the path is longer than a socket's may be", "at most 103 bytes");
    if (net.listen === true && kind !== "socket" && kind !== "unix") throw bad(`${kind} has no option "listen"`);
    if (kind !== "user" && (net.allowHost === true || net.allowLan === true || dns !== undefined)) throw bad(`allow-host, allow-lan and dns are options of user, not of ${kind}`);
    if (mac !== undefined && parseMac(mac) === undefined) throw bad(`${JSON.stringify(mac)} is no MAC address of an interface`, "mac=52:54:00:12:34:56; not a group's");
    if (mtu !== undefined && !(Number.isInteger(mtu) && mtu >= 576 && mtu <= 65_521)) throw bad("mtu is outside of 576 to 65521", "mtu=1500");
    for (const one of dns ?? []) if (parseEndpoint(one, 53) === undefined) throw bad(`dns: ${JSON.stringify(one)} is no address`, "dns=192.0.2.53 or dns=127.0.0.1:5353");
  }
  if (publish.length > 0 && !all.some(one => one.kind === "user")) throw new Failure("HV-USAGE-PUBLISH", "--publish: there is no user network to publish from", { hint: "--net user" });
  for (const one of publish) {
    const port = (value: number, least: number): boolean => Number.isInteger(value) && value >= least && value <= 65_535;
    if (!port(one.port, 0) || !port(one.guestPort, 1)) throw new Failure("HV-USAGE-PUBLISH", `--publish: ${one.port}:${one.guestPort} are no ports`, { hint: PUBLISH_HINT });
    if (one.address !== undefined && parseEndpoint(one.address.includes(":") ? `[${one.address}]` : one.address, 1) === undefined) throw new Failure("HV-USAGE-PUBLISH", `--publish: ${JSON.stringify(one.address)} is no address`, { hint: PUBLISH_HINT });
  }
  return all;
}
