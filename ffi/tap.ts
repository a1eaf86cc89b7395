// ffi/tap.ts — a TAP interface of Linux. Spec: linux/if_tun.h, Documentation/networking/tuntap.rst; virtio's header in front of
// each frame (IFF_VNET_HDR), in the 12-byte form.
import { dlopen, read } from "bun:ffi";

const TUNSETIFF = 0x4004_54ca, TUNSETOFFLOAD = 0x4004_54d0, TUNSETVNETHDRSZ = 0x4004_54d8;
const IFF_TAP = 0x0002, IFF_NO_PI = 0x1000, IFF_VNET_HDR = 0x4000;
/** TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6. */
const TUN_F = 1 | 2 | 4;

function open() {
  return dlopen("libc.so.6", {
    ioctl: { args: ["i32", "ptr", "ptr"], returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  }).symbols;
}
let libc: ReturnType<typeof open> | undefined;

/** Makes an open /dev/net/tun the interface of this name; 0, or an errno. */
export function attachTap(fd: number, name: string): number {
  libc ??= open();
  const symbols = libc;
  const request = new Uint8Array(40), view = new DataView(request.buffer); // struct ifreq
  new TextEncoder().encodeInto(name, request.subarray(0, 15));
  view.setUint16(16, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, true);
  const size = Uint32Array.of(12);
  const failed = (): number => read.i32(symbols.__errno_location() as never, 0);
  if (symbols.ioctl(fd, TUNSETIFF as never, request) < 0) return failed();
  if (symbols.ioctl(fd, TUNSETVNETHDRSZ as never, size) < 0) return failed();
  return symbols.ioctl(fd, TUNSETOFFLOAD as never, TUN_F as never) < 0 ? failed() : 0;
}
