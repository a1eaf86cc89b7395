// src/net/dhcp-server.ts — the user network's DHCP server. Spec: RFC 2131, 4.3. The guest's interface always gets the same
// address; others behind it (bridges, containers) get one of a small pool, the one unused for longest.
import { isZero, put32, sameBytes } from "./bytes.ts";
import { macText } from "./pdu/ethernet.ts";
import { DhcpOption, DhcpType, readDhcp, writeDhcp, type DhcpMessage } from "./pdu/dhcp.ts";
import { GATEWAY, GUEST, LIMITED_BROADCAST, MASK, MORE_LEASES, NAME_SERVER } from "./plan.ts";

const LEASE_SECONDS = 86_400;

export interface DhcpReply { readonly to: Uint8Array; readonly bytes: Uint8Array; readonly lease: Uint8Array | undefined }

export class DhcpServer {
  readonly #mac: Uint8Array;
  readonly #mtu: number;
  /** By MAC, the one longest unused first. */
  readonly #leases: Map<string, number> = new Map();
  constructor(mac: Uint8Array, mtu: number) {
    this.#mac = mac;
    this.#mtu = mtu;
  }

  /** The answer to a client's message; undefined: none is due. */
  answer(bytes: Uint8Array): DhcpReply | undefined {
    const message = readDhcp(bytes);
    if (message === undefined || !isZero(message.gateway)) return undefined; // there are no relay agents here
    const own = this.#leaseOf(message.mac);
    switch (message.type) {
      case DhcpType.discover: return this.#reply(message, DhcpType.offer, own);
      case DhcpType.request: {
        if (message.server !== undefined && !sameBytes(message.server, GATEWAY.bytes)) return undefined; // another server was chosen
        const wanted = message.requested ?? message.clientAddress;
        return sameBytes(wanted, own) ? this.#reply(message, DhcpType.ack, own) : this.#reply(message, DhcpType.nak, undefined);
      }
      case DhcpType.inform: return this.#reply(message, DhcpType.ack, undefined);
      default: return undefined; // DECLINE and RELEASE: the lease stays the client's, it will ask again
    }
  }
  #leaseOf(mac: Uint8Array): Uint8Array {
    const address = GUEST.bytes.slice();
    if (sameBytes(mac, this.#mac)) return address;
    const key = macText(mac);
    let index = this.#leases.get(key);
    if (index === undefined) {
      if (this.#leases.size < MORE_LEASES) index = this.#leases.size;
      else {
        const oldest = this.#leases.keys().next().value as string;
        index = this.#leases.get(oldest) as number;
        this.#leases.delete(oldest);
      }
    } else this.#leases.delete(key);
    this.#leases.set(key, index); // now the youngest
    address[3] = (address[3] as number) + 1 + index;
    return address;
  }
  #reply(message: DhcpMessage, type: number, lease: Uint8Array | undefined): DhcpReply {
    const u32 = (value: number): Uint8Array => {
      const b = new Uint8Array(4);
      put32(b, 0, value);
      return b;
    };
    const times = lease === undefined ? [] : [[DhcpOption.leaseTime, u32(LEASE_SECONDS)], [DhcpOption.renewal, u32(LEASE_SECONDS / 2)], [DhcpOption.rebinding, u32(LEASE_SECONDS * 7 / 8)]] as const;
    const options = type === DhcpType.nak ? [] : [
      [DhcpOption.mask, MASK], [DhcpOption.router, GATEWAY.bytes], [DhcpOption.dns, NAME_SERVER.bytes], [DhcpOption.mtu, u32(this.#mtu).subarray(2)], ...times,
    ] as const;
    // 4.1: to the address that the client has, else to everybody
    const to = type !== DhcpType.nak && !isZero(message.clientAddress) ? message.clientAddress : LIMITED_BROADCAST.bytes;
    return { to, lease, bytes: writeDhcp(message, { type, address: lease ?? new Uint8Array(4), server: GATEWAY.bytes, options }) };
  }
}
