// test/boot/firmware.test.ts — Debian's U-Boot and EDK2 for QEMU's virt board: they start from flash, find the disk, keep
// their variables in a file, and boot Debian's kernel from a FAT partition.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualMachine, type StartOptions } from "../../src/library.ts";
import { debianKernel } from "../support/debian.ts";
import { espImage } from "../support/gpt.ts";
import { ensureDebianPackages } from "../support/packages.ts";

const FIRMWARE = 60_000, MIB = 2 ** 20;
const UBOOT = "/usr/lib/u-boot/qemu_arm64/u-boot.bin", EDK2 = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";
const CMDLINE = "console=ttyAMA0 quiet";
const EXTLINUX = `default linux\nlabel linux\n  kernel /linux.efi\n  initrd /initrd\n  append ${CMDLINE}\n`;

const folder = mkdtempSync(join(tmpdir(), "hv-firmware-"));
const disk = join(folder, "esp.img");
const start = (options: StartOptions): Promise<VirtualMachine> => VirtualMachine.start({ engine: "translator", disks: [{ path: disk, format: "raw" }], ...options });
beforeAll(async () => {
  ensureDebianPackages(["u-boot-qemu", "qemu-efi-aarch64"]);
  const { kernel, initramfs } = await debianKernel("6.1");
  espImage(disk, 128, {
    "linux.efi": kernel, initrd: initramfs, "extlinux/extlinux.conf": new TextEncoder().encode(EXTLINUX),
    // load options of a boot entry are UCS-2
    options: Buffer.from(`initrd=\\initrd ${CMDLINE}\0`, "utf16le"),
  });
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** What Linux prints for a command. */
async function linux(vm: VirtualMachine, line: string): Promise<string> {
  vm.console.write(`${line}; echo do""ne\n`);
  await vm.console.expect(/do""ne\r\n/);
  return (await vm.console.expect(/^([^]*?)done\r\n\/ # /))[1] as string;
}
async function atPrompt(vm: VirtualMachine, prompt: RegExp, line: string): Promise<string> {
  vm.console.write(`${line}\r`);
  await vm.console.expect(/\n/);
  return (await vm.console.expect(new RegExp(`([^]*?)${prompt.source}`), { timeout: FIRMWARE }))[1] as string;
}

describe("U-Boot", () => {
  const variables = join(folder, "u-boot.fd");
  test("reaches its prompt, keeps its environment in flash, and boots Image from a virtio disk", async () => {
    await using vm = await start({ firmware: UBOOT, firmwareVariables: variables });
    await vm.console.expect(/Hit any key to stop autoboot/, { timeout: FIRMWARE });
    vm.console.write(" ");
    await vm.console.expect(/=> /);
    expect(await atPrompt(vm, /=> /, "flinfo 2")).toMatch(/Bank # 2: CFI conformant flash .*in 256 Sectors\r\n {2}Intel Extended command set, Manufacturer ID: 0x89, Device ID: 0x0018/);
    expect(await atPrompt(vm, /=> /, "setenv bootdelay 0; setenv kept yes; saveenv")).toContain("OK");
    vm.console.write("reset\r");
    await vm.console.expect(/Loading Environment from Flash... OK[^]*\/ # /, { timeout: FIRMWARE });
    expect(vm.reboots).toBe(1);
    expect(await linux(vm, "cat /proc/cmdline")).toContain(CMDLINE);
  }, 120_000);
});

test("U-Boot boots from a disk on PCI", async () => {
  await using vm = await start({ firmware: UBOOT, transport: "pci" });
  await vm.console.expect(/\/ # /, { timeout: FIRMWARE });
  expect(await linux(vm, "readlink /sys/block/vda/device")).toContain("virtio0");
  expect(await linux(vm, "ls /sys/bus/pci/devices")).toContain("0000:00:01.0");
}, 90_000);

describe("EDK2", () => {
  const variables = join(folder, "edk2.fd");
  test("reaches its shell; a boot entry made there boots the kernel from the disk", async () => {
    await using vm = await start({ firmware: EDK2, firmwareVariables: variables, gic: 3 });
    await vm.console.expect(/Press .*ESC/, { timeout: FIRMWARE });
    vm.console.write("\x1b");
    await vm.console.expect(/Shell> /);
    await atPrompt(vm, /Shell> /, "bcfg boot add 0 fs0:\\linux.efi Linux");
    await atPrompt(vm, /Shell> /, "bcfg boot -opt 0x0 fs0:\\options");
    vm.console.write("reset\r");
    await vm.console.expect(/starting Boot\d+ "Linux"[^]*\/ # /, { timeout: FIRMWARE });
    expect(await linux(vm, "dmesg | grep efi:")).toContain("EFI v2.70 by EDK II");
  }, 150_000);
  test("its variables outlive the machine: the next one boots by that entry", async () => {
    expect(statSync(variables).size).toBe(64 * MIB);
    await using vm = await start({ firmware: EDK2, firmwareVariables: variables, gic: 3 });
    await vm.console.expect(/starting Boot\d+ "Linux"[^]*\/ # /, { timeout: FIRMWARE });
  }, 90_000);
  test("given a kernel, it boots that one: kernel, initrd and command line come through fw_cfg", async () => {
    const { kernel, initramfs } = await debianKernel("6.1");
    await using vm = await start({ firmware: EDK2, kernel, initrd: initramfs, cmdline: `${CMDLINE} through=fw_cfg`, transport: "pci" });
    await vm.console.expect(/\/ # /, { timeout: FIRMWARE });
    expect(await linux(vm, "cat /proc/cmdline")).toContain("through=fw_cfg");
    expect(await linux(vm, "dmesg | grep efi:")).toContain("EFI v2.70 by EDK II");
    expect(await linux(vm, "ls /dev/vda1 /sys/bus/pci/devices")).toContain("0000:00:01.0");
  }, 90_000);
});

describe("the Debian installer's netboot image", () => {
  const place = "/usr/lib/debian-installer/images/12/arm64/text/debian-installer/arm64";
  test("reaches its language screen", async () => {
    ensureDebianPackages(["debian-installer-12-netboot-arm64"]);
    await using vm = await VirtualMachine.start({ engine: "translator", kernel: join(place, "linux"), initrd: join(place, "initrd.gz"), rng: true });
    await vm.console.expect(/Select a language[^]*Choose the language to be used for the installation/, { timeout: FIRMWARE });
  }, 600_000);
});
