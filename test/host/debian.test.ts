// test/host/debian.test.ts — the real thing: Debian's kernels from the host's mirror, and the initramfs made for them.
import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { FileType, readCpio } from "../../src/boot/cpio.ts";
import type { CpioEntry } from "../../src/boot/cpio.ts";
import { readKernel } from "../../src/boot/image.ts";
import { modinfo } from "../../src/host/debian/guest.ts";
import type { Pulled } from "../../src/host/debian/pull.ts";
import { debianKernel } from "../support/debian.ts";
import { Random } from "../support/random.ts";

describe.each(["6.1", "6.12-cloud"] as const)("Debian's kernel %s", kernel => {
  let pulled: Pulled, entries: Map<string, CpioEntry>;
  beforeAll(async () => {
    pulled = await debianKernel(kernel);
    const read = readCpio(gunzipSync(readFileSync(pulled.initramfs)));
    if (!read.ok) throw new Error(read.why);
    entries = new Map(read.entries.map(entry => [entry.name, entry]));
  }, 600_000);
  const root = (): string => `lib/modules/${pulled.release}/`;
  const text = (name: string): string => new TextDecoder().decode(entries.get(name)!.data);

  test("is a raw Image of that version, with its configuration", () => {
    const image = readKernel(readFileSync(pulled.kernel), pulled.kernel);
    expect(image).toMatchObject({ layers: [], textOffset: 0, flags: { pageSize: "4K" } });
    expect(pulled.release).toStartWith(kernel.replace("-cloud", "."));
    expect(readFileSync(pulled.config, "utf8")).toContain("CONFIG_SERIAL_AMBA_PL011_CONSOLE=y");
  });
  test("the initramfs has /init, a console, BusyBox for arm64 and its applets", () => {
    expect(entries.get("init")?.mode).toBe(FileType.regular | 0o755);
    expect(entries.get("dev/console")).toMatchObject({ mode: FileType.character | 0o600, device: { major: 5, minor: 1 } });
    expect([...entries.get("bin/busybox")!.data!.subarray(0, 20)].slice(18)).toEqual([183, 0]);
    for (const applet of ["sh", "mount", "cttyhack", "setsid", "poweroff", "reboot", "md5sum", "uname", "modprobe", "vi", "udhcpc"]) expect(text(`bin/${applet}`)).toBe("busybox");
    expect(text("etc/hv-release")).toContain(`kernel ${pulled.release}\n`);
  });
  test("every parent is there before its children", () => {
    const seen = new Set([""]);
    for (const name of entries.keys()) {
      expect(seen).toContain(name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "");
      seen.add(name);
    }
  });
  test("modules.dep names every module, its dependencies complete and all there, each plain ELF", () => {
    const lines = text(`${root()}modules.dep`).trim().split("\n").map(line => line.split(":") as [string, string]);
    const depends = new Map(lines.map(([path, rest]) => [path, rest.trim() === "" ? [] : rest.trim().split(" ")]));
    const modules = [...entries.keys()].filter(name => name.endsWith(".ko"));
    expect(modules.map(name => name.slice(root().length)).sort()).toEqual([...depends.keys()].sort());
    for (const [path, needed] of depends) {
      for (const one of needed) for (const further of depends.get(one)!) expect(needed).toContain(further);
      expect(entries.get(root() + path)!.data!.subarray(0, 4)).toEqual(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
    }
    for (const one of ["virtio_mmio", "virtio_blk", "virtio_net", "virtio-rng", "virtio_balloon", "vmw_vsock_virtio_transport"]) expect(modules.some(name => name.endsWith(`/${one}.ko`))).toBeTrue();
    expect(text(`${root()}modules.alias`)).toContain("alias virtio:d00000002v* virtio_blk\n");
  });
  test("modinfo of a damaged module: no throw", () => {
    const random = new Random(0xe1f), module = [...entries.entries()].find(([name]) => name.endsWith("/virtio_mmio.ko"))![1].data!.slice();
    expect(modinfo(module).aliases).toContain("of:N*T*Cvirtio,mmio");
    for (let i = 0; i < 2000; i++) modinfo(random.damage(module));
  });
});
