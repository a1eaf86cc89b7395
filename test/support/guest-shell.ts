// test/support/guest-shell.ts — Debian's kernel at its BusyBox prompt, and commands typed there.
import { windowSize } from "../../src/host/terminal.ts";
import { VirtualMachine, type StartOptions } from "../../src/library.ts";
import { debianKernel } from "./debian.ts";

export const BOOT = 120_000;
const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** A silent kernel, and a window wide enough for every command. */
export const CMDLINE: string = `console=ttyAMA0 quiet${windowSize({ isTTY: true, rows: 50, columns: 400 })}`;
/** At its prompt, with a kernel that is silent and a window wide enough for every command. */
export async function bootShell(options: Omit<StartOptions, "kernel">, kernel: "6.1" | "6.12-cloud" = "6.1"): Promise<VirtualMachine> {
  const found = await debianKernel(kernel);
  const vm = await VirtualMachine.start({ kernel: found.kernel, initrd: found.initramfs, cmdline: CMDLINE, ...options });
  await vm.console.expect(/\/ # /, { timeout: BOOT });
  await command(vm, "dmesg -n 1");
  return vm;
}
/** What a command prints, up to the next prompt. */
export async function command(vm: VirtualMachine, line: string): Promise<string> {
  vm.console.write(`${line}\n`);
  await vm.console.expect(new RegExp(`${literally(line)}\r\n`));
  return (await vm.console.expect(/^([^]*?)\/ # /, { timeout: BOOT }))[1] as string;
}
