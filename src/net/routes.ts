// src/net/routes.ts — what an address of the guest's world is on the host, and whether the guest may go there.
import { placeOf } from "./policy.ts";
import { inPrefix } from "./address.ts";
import { GATEWAY, GATEWAY6, LOOPBACK, NAME_SERVER, NAME_SERVER6, NETWORK, NETWORK6 } from "./plan.ts";
import type { Endpoint, StackOptions, StackWires } from "./wires.ts";

export type Route = { readonly kind: "to"; readonly endpoint: Endpoint } | { readonly kind: "names" } | { readonly kind: "refused" };
const DNS = 53;

export class Routes {
  readonly #wires: StackWires;
  readonly #options: StackOptions;
  constructor(wires: StackWires, options: StackOptions) {
    this.#wires = wires;
    this.#options = options;
  }

  of(protocol: "TCP" | "UDP", address: string, bytes: Uint8Array, port: number): Route {
    if (address === NAME_SERVER.text || address === NAME_SERVER6.text) return port === DNS ? { kind: "names" } : this.#refuse(protocol, address, port, "nothing is there", undefined);
    if (address === GATEWAY.text || address === GATEWAY6.text) {
      if (!this.#options.allowHost) return this.#refuse(protocol, address, port, "the host itself", "allow-host");
      return { kind: "to", endpoint: { address: LOOPBACK[bytes.length === 4 ? 4 : 6], port } };
    }
    if (inPrefix(bytes, bytes.length === 4 ? NETWORK : NETWORK6)) return this.#refuse(protocol, address, port, "nothing is there", undefined);
    switch (placeOf(address, this.#wires.sockets.addresses())) {
      case "internet": return { kind: "to", endpoint: { address, port } };
      case "host": return this.#options.allowHost ? { kind: "to", endpoint: { address, port } } : this.#refuse(protocol, address, port, "the host itself", "allow-host");
      case "lan": return this.#options.allowLan ? { kind: "to", endpoint: { address, port } } : this.#refuse(protocol, address, port, "the host's own network", "allow-lan");
      default: return this.#refuse(protocol, address, port, "no address to send to", undefined);
    }
  }
  #refuse(protocol: string, address: string, port: number, what: string, flag: string | undefined): Route {
    this.#wires.count(`refused ${protocol}: ${what}`, flag === undefined ? undefined : `the guest may not reach ${address.includes(":") ? `[${address}]` : address}:${port} (${protocol}): it is ${what}; --net user,${flag} allows it`);
    return { kind: "refused" };
  }
}
