// test/support/deny-code.ts — `bun test/support/deny-code.ts [COMMAND...]`: from here on, the kernel refuses memory that is
// writable and executable, and to make memory executable (a seccomp filter, as service managers set them). Without a
// command: makes a software machine and prints its engine, and what asking for the translator fails with. With one: runs
// it in place of this program. Spec: seccomp(2), linux/filter.h. x86-64 Linux.
import { dlopen, ptr } from "bun:ffi";
import { executeProgram } from "../../ffi/posix.ts";
import { createSoftwareVm } from "../../src/hypervisor/software.ts";
import { HostClock } from "../../src/hypervisor/host-clock.ts";
import { CLOCK_HZ } from "../../src/machine/platform.ts";
import { failureOf } from "./failure.ts";

const PR_SET_NO_NEW_PRIVS = 38, PR_SET_SECCOMP = 22, SECCOMP_MODE_FILTER = 2;
const LOAD = 0x20, EQUAL = 0x15, SET = 0x45, RETURN = 0x06; // BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JSET|K, BPF_RET|K
const ALLOW = 0x7fff_0000, DENY = 0x0005_0000 | 1; // SECCOMP_RET_ERRNO, EPERM
const MMAP = 9, MPROTECT = 10, PROT_WRITE = 2, PROT_EXEC = 4;
const NUMBER = 0, THIRD = 32; // offsets in seccomp_data: the call, its third argument

const filter: readonly (readonly [code: number, yes: number, no: number, k: number])[] = [
  [LOAD, 0, 0, NUMBER],
  [EQUAL, 0, 3, MMAP],
  [LOAD, 0, 0, THIRD],
  [SET, 0, 5, PROT_EXEC],
  [SET, 3, 4, PROT_WRITE],
  [EQUAL, 0, 3, MPROTECT],
  [LOAD, 0, 0, THIRD],
  [SET, 0, 1, PROT_EXEC],
  [RETURN, 0, 0, DENY],
  [RETURN, 0, 0, ALLOW],
];
const code = Buffer.alloc(filter.length * 8);
filter.forEach(([op, yes, no, k], i) => {
  code.writeUInt16LE(op, i * 8);
  code.writeUInt8(yes, i * 8 + 2);
  code.writeUInt8(no, i * 8 + 3);
  code.writeUInt32LE(k, i * 8 + 4);
});
const program = Buffer.alloc(16); // struct sock_fprog
program.writeUInt16LE(filter.length, 0);
program.writeBigUInt64LE(BigInt(ptr(code)), 8);
const { symbols } = dlopen("libc.so.6", { prctl: { args: ["i32", "u64", "ptr", "u64", "u64"], returns: "i32" } });
if (symbols.prctl(PR_SET_NO_NEW_PRIVS, 1, null, 0, 0) !== 0 || symbols.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) !== 0) throw new Error("the kernel takes no seccomp filter");

const command = process.argv.slice(2);
if (command.length > 0) {
  executeProgram(command[0] as string, command, Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ""}`));
  throw new Error(`${command[0] as string} does not start`);
}
const engine = (choice?: "translator"): string => {
  const vm = createSoftwareVm(new HostClock(CLOCK_HZ), choice);
  vm.addRam(0x4000_0000, 2 ** 20);
  vm.createVcpu(0);
  return vm.engine;
};
const failure = failureOf(() => engine("translator"));
console.log(JSON.stringify({ engine: engine(), code: failure.code, exit: failure.exit, message: failure.message }));
