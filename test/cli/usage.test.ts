// test/cli/usage.test.ts — what hv says to wrong command lines and to files that cannot boot: exit code 2, one line that
// names file and cause, one with the remedy, nothing on standard output.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { node, writeFdt } from "../../dtb/fdt.ts";
import { checkArguments, helpText, nearest } from "../../src/cli/arguments.ts";
import { bootArgs } from "../../src/cli/boot-arguments.ts";
import { readBootFiles, type StartOptions } from "../../src/library.ts";
import { GiB, KiB, MiB } from "../../src/units.ts";
import { failureOf } from "../support/failure.ts";
import { hv } from "../support/hv.ts";
import { arm64Image, gzip, zboot } from "../support/kernel.ts";
import { run } from "../support/packages.ts";

let place: string;
const put = (name: string, bytes: Uint8Array | string): string => {
  const path = join(place, name);
  writeFileSync(path, bytes);
  return path;
};
beforeAll(() => { place = mkdtempSync(join(tmpdir(), "hv-usage-")); });
afterAll(() => rmSync(place, { recursive: true, force: true }));

/** The refusal of a boot: it must name the file and carry a remedy. */
function refusal(options: Partial<StartOptions>): string {
  const failure = failureOf(() => readBootFiles({ kernel: arm64Image(), ...options }));
  expect(failure.exit).toBe(2);
  expect(failure.hint).toBeString();
  expect(failure.message).not.toContain("\n");
  return failure.message;
}

describe("the command line", () => {
  const refused = (...words: string[]): string => {
    const failure = failureOf(() => checkArguments("run", words, bootArgs));
    expect(failure.exit).toBe(2);
    return `${failure.message} | ${failure.hint}`;
  };
  test("unknown flags are refused with a suggestion", () => {
    expect(refused("Image", "--memroy", "1G")).toBe("--memroy: hv run has no such flag | did you mean --memory?");
    expect(refused("Image", "--init=x")).toBe("--init: hv run has no such flag | did you mean --initrd?");
    expect(refused("Image", "--frobnicate")).toBe("--frobnicate: hv run has no such flag | hv run --help");
    expect(refused("Image", "--no-memory")).toContain("--no-memory: hv run has no such flag");
  });
  test("values are neither missing nor superfluous", () => {
    expect(refused("Image", "--memory")).toContain("--memory: its value is missing");
    expect(refused("Image", "--initrd", "--cpus", "2")).toContain("--initrd: its value is missing");
    expect(refused("Image", "--memory=")).toContain("--memory: its value is missing");
    expect(refused("Image", "--no-reboot=1")).toContain("--no-reboot: takes no value");
  });
  test("as many images as there must be", () => {
    expect(failureOf(() => readBootFiles({})).message).toContain("IMAGE is missing");
    expect(refused("a", "b")).toContain("hv run takes one argument, 2 were given");
  });
  test("what is right passes", () => {
    checkArguments("run", ["Image", "-m", "1G", "-c2", "--no-reboot", "--cmdline=", "--cmdline", "-x", "--trace=mmio"], bootArgs);
  });
  test("a suggestion is only made when it is near", () => {
    expect([nearest("rnu", ["run", "pull"]), nearest("doc", ["doctor", "dtb"]), nearest("frobnicate", ["run"])]).toEqual(["run", "doctor", undefined]);
  });
  test("help names every flag", () => {
    const text = helpText("run", "Boot", bootArgs, ["hv run Image"]);
    for (const flag of ["--dtb auto|FILE", "--initrd FILE", "--cmdline TEXT", "-m, --memory SIZE", "-c, --cpus N", "--accel auto|software", "--no-reboot", "--trace LIST", "Examples:\n  hv run Image"]) expect(text).toContain(flag);
  });
});

describe("hv as a process", () => {
  test("an unknown command is refused with a suggestion and code 2", async () => {
    expect(await hv(["rnu"])).toEqual({ code: 2, stdout: "", stderr: "hv: rnu: there is no such command; did you mean hv run?\n" });
  });
  test("--version and --help", async () => {
    expect((await hv(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await hv(["run", "--help"])).stdout).toContain("hv run debian");
    expect((await hv([])).code).toBe(2);
  });
  test("a file that is no kernel: two lines, code 2, nothing written", async () => {
    const path = put("text", "hello\n");
    expect(await hv(["run", path])).toEqual({
      code: 2, stdout: "", stderr: `hv: ${path}: is text (it starts with "hello\\n"); give an arm64 kernel: Image, Image.gz, Image.zst or vmlinuz.efi\n`,
    });
  });
  test("an accelerator that is not there: code 3 and why", async () => {
    const { code, stderr } = await hv(["run", put("k", arm64Image()), "--accel", process.platform === "darwin" ? "kvm" : "hvf"]);
    expect([code, stderr]).toEqual([3, expect.stringContaining("is not there: this host has no")]);
    expect((await hv(["run", put("k", arm64Image()), "--accel", "tcg"])).code).toBe(2);
  });
  test("threads for CPUs: a value it does not know is code 2; where they cannot be, code 3 and why", async () => {
    const kernel = put("k", arm64Image());
    const many = await hv(["run", kernel, "--cpus", "2", "--smp-threads", "many"]);
    expect([many.code, many.stderr]).toEqual([2, expect.stringContaining('--smp-threads: "many" is none of its values')]);
    const { code, stderr } = await hv(["run", kernel, "--cpus", "2", "--smp-threads", "on", "--deterministic"]);
    expect([code, stderr]).toEqual([3, expect.stringContaining("--smp-threads on: --deterministic runs one CPU at a time")]);
  });
  test("--cpu: what it does not know is code 2 and says what there is; random numbers are nothing for --deterministic", async () => {
    const kernel = put("k", arm64Image());
    const unknown = await hv(["run", kernel, "--cpu", "max,SVE"]);
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringMatching(/^hv: --cpu: "SVE" is no feature of the software CPU; default, max or v8\.0, then any of LSE, .*RNG/)]);
    const { code, stderr } = await hv(["run", kernel, "--cpu", "max", "--deterministic"]);
    expect([code, stderr]).toEqual([3, expect.stringContaining("--cpu: RNG's numbers are not repeatable")]);
  });
  test("doctor says what there is, and why the rest is not", async () => {
    const { code, stdout } = await hv(["doctor", "--json"]);
    const found = JSON.parse(stdout) as { apiVersion: number; accelerators: { name: string; available: boolean; why: string }[]; terminal: { stdin: boolean } };
    expect([code, found.apiVersion, found.terminal.stdin]).toEqual([0, 1, false]);
    expect(found.accelerators.find(one => one.name === "software")?.available).toBe(true);
    expect(found.accelerators.every(one => one.why.length > 0)).toBe(true);
  });
  test("dtb: text, JSON and a blob by the name of the file", async () => {
    expect((await hv(["dtb", "-c", "2"])).stdout).toContain("cpu@1 {");
    expect(JSON.parse((await hv(["dtb", "--format", "json"])).stdout)).toMatchObject({ apiVersion: 1, root: { name: "" } });
    const path = join(place, "board.dtb");
    expect((await hv(["dtb", "-o", path, "--cmdline", "quiet"])).code).toBe(0);
    const patched = await hv(["dtb", "--dtb", path, "-m", "1G"]);
    expect(patched.stderr).toBe("hv: device tree: patched /memory reg\n");
    expect(patched.stdout).toContain("memory@40000000");
    expect((await hv(["dtb", "--format", "yaml"])).code).toBe(2);
  });
});

describe("A1: files that are no kernel", () => {
  test("empty, 1 byte, 63 bytes, wrong magic", () => {
    expect(refusal({ kernel: put("empty", "") })).toBe(`${place}/empty: is empty`);
    expect(refusal({ kernel: put("one", Uint8Array.of(7)) })).toContain("/one: has 1 bytes");
    expect(refusal({ kernel: put("short", new Uint8Array(63)) })).toContain("/short: has 63 bytes");
    expect(refusal({ kernel: put("zeros", new Uint8Array(4096)) })).toContain("at offset 56 it has 00 00 00 00");
  });
  test("a directory, a pipe, a device, nothing", () => {
    run(["mkfifo", join(place, "fifo")]);
    expect(refusal({ kernel: place })).toBe(`${place}: is a directory, not a file (as the kernel)`);
    expect(refusal({ kernel: join(place, "fifo") })).toContain("/fifo: is a pipe");
    expect(refusal({ kernel: "/dev/zero" })).toContain("/dev/zero: is a device");
    expect(refusal({ kernel: join(place, "none") })).toContain("/none: there is no such file");
  });
});
describe("a firmware", () => {
  test.each<[string, StartOptions, string]>([
    ["that is not there", { firmware: "/none/QEMU_EFI.fd" }, "/none/QEMU_EFI.fd: there is no such file (as the firmware)"],
    ["that is empty", { firmware: new Uint8Array() }, "the firmware: has 0 bytes; flash holds 1 to 67108864"],
    ["that flash cannot hold", { firmware: new Uint8Array(64 * 2 ** 20 + 1) }, "the firmware: has 67108865 bytes"],
    ["with an initrd for nobody", { firmware: new Uint8Array(4), initrd: new Uint8Array(4) }, "--initrd: without a kernel"],
  ])("%s", (_, options, why) => { expect(failureOf(() => readBootFiles(options)).message).toContain(why); });
  test("variables without one", () => { expect(failureOf(() => readBootFiles({ kernel: arm64Image(), firmwareVariables: "vars.fd" })).message).toContain("--firmware-vars: is for a firmware"); });
});
describe("A2, A3: text_offset and image_size", () => {
  test.each([["beyond memory", 0x8000_0000n], ["unaligned", 0x123n], ["2^63", 2n ** 63n], ["2^64-1", 2n ** 64n - 1n]])("text_offset %s", (_, textOffset) => {
    expect(refusal({ kernel: arm64Image({ textOffset }) })).toContain("text_offset");
  });
  test.each([["beyond memory", 0x1_0000_0000n], ["less than the file", 100n], ["2^64-1", 2n ** 64n - 1n]])("image_size %s", (_, imageSize) => {
    expect(refusal({ kernel: arm64Image({ imageSize }) })).toMatch(/image_size|needs/);
  });
  test("image_size 0 means text_offset 0x80000", () => {
    expect(Number(readBootFiles({ kernel: arm64Image({ imageSize: 0n }) }).prepare({ cpus: 1, ramSize: 2 ** 29 }).placement?.kernel)).toBe(0x4008_0000);
  });
});
describe("A4, A5: kinds and codecs", () => {
  const head = (...bytes: number[]): Uint8Array => new Uint8Array(Buffer.concat([Uint8Array.from(bytes), new Uint8Array(4096)]));
  test("big-endian, ELF, PE, xz, lzma", () => {
    expect(refusal({ kernel: arm64Image({ flags: 1n }) })).toContain("big-endian");
    expect(refusal({ kernel: head(0x7f, 0x45, 0x4c, 0x46) })).toContain("ELF");
    expect(refusal({ kernel: head(0x4d, 0x5a) })).toContain("EFI program");
    expect(refusal({ kernel: head(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0) })).toContain("xz");
    expect(refusal({ kernel: head(0x5d, 0, 0) })).toContain("lzma");
  });
  test("a cut gzip, a bomb, a zboot image with another codec", () => {
    expect(refusal({ kernel: gzip(arm64Image({ size: 200_000 })).subarray(0, 9000) })).toContain("damaged or cut off");
    expect(refusal({ kernel: gzip(new Uint8Array(64 * MiB)) })).toContain("inside gzip");
    expect(refusal({ kernel: zboot(gzip(arm64Image()), "lzo") })).toContain('"lzo"');
  });
});
describe("A6: initrd", () => {
  test("empty, larger than memory, not a file", () => {
    expect(refusal({ initrd: put("no-initrd", "") })).toBe(`${place}/no-initrd: is empty`);
    expect(refusal({ initrd: new Uint8Array(40 * MiB), memory: "32M" })).toContain("an initrd of 41943040 bytes");
    expect(refusal({ initrd: place })).toContain("(as the initrd)");
  });
});
describe("A7: device tree", () => {
  test("no blob, cut off, too large", () => {
    const blob = writeFdt({ root: node("") });
    expect(refusal({ dtb: put("x.dtb", "hello") })).toContain("/x.dtb: is no usable device tree");
    expect(refusal({ dtb: put("cut.dtb", blob.subarray(0, blob.length - 4)) })).toContain("totalsize");
    expect(refusal({ dtb: put("big.dtb", new Uint8Array(3 * MiB)) })).toContain("a device tree may have 2 MiB");
  });
});
describe("A8: command line", () => {
  test.each([["too long", "x".repeat(2048), "has 2048 characters"], ["1 MB", "x".repeat(MiB), "the kernel takes 2047"], ["a NUL", "a\0b", "a NUL at position 1"], ["a newline", "a\nb", "a newline"], ["non-ASCII", "käse", '"ä"']])("%s", (_, cmdline, why) => {
    expect(refusal({ cmdline })).toContain(why);
  });
});
describe("A9: memory and CPUs", () => {
  test.each([["0", 0], ["1 byte", 1], ["NaN", NaN], ["negative", -1], ["1e99", 1e99], ["not whole pages", 4 * GiB - 4 * KiB]])("%s bytes of memory are refused", (_, memory) => {
    expect(refusal({ memory })).toContain("--memory");
  });
  test.each(["4gbb", "-1", "1e99", "NaN", "512", ""])("%p is no size", memory => {
    expect(refusal({ memory })).toContain("is no size");
  });
  test("1 MiB is too small for a kernel of that size, and says so", () => {
    expect(refusal({ kernel: arm64Image({ imageSize: BigInt(2 * MiB) }), memory: MiB })).toContain("the machine has 1 MiB of memory");
  });
  test.each([0, 65, 257, 1.5, NaN])("%p CPUs are refused", cpus => {
    expect(refusal({ cpus })).toContain("--cpus");
  });
});
describe("balloon", () => {
  test.each([["512M", "512 MiB of 512 MiB of memory cannot be taken"], ["2G", "2 GiB of 512 MiB"], ["-1", "is no size"], ["5", "is no size"], ["lots", "is no size"]])("--balloon %s is refused", async (size, why) => {
    const found = await hv(["run", put("balloon-kernel", arm64Image()), "--balloon", size, "--accel", "software"]);
    expect([found.code, found.stderr.split("\n").length, found.stderr]).toEqual([2, 2, expect.stringContaining(why)]);
  });
});
describe("vsock", () => {
  test.each([["2", "is 3 to 4294967294"], ["4294967295", "is 3 to 4294967294"], ["three", "is no address"], ["3,uds=", "path is missing"], [`3,uds=/${"x".repeat(103)}`, "path is longer than"]])("--vsock %s is refused", async (text, why) => {
    const found = await hv(["run", put("vsock-kernel", arm64Image()), "--vsock", text, "--accel", "software"]);
    expect([found.code, found.stderr.split("\n").length, found.stderr]).toEqual([2, 2, expect.stringContaining(why)]);
  });
});
describe("consoles", () => {
  test.each([
    [["--console", "tty"], "is nothing that a port can lead to", 2], [["--console", "unix="], "the path is missing", 2], [["--console", `unix=/${"x".repeat(103)}`], "longer than 103 bytes", 2],
    [["--console", "terminal", "--console", "terminal"], "there is one terminal", 2], [["--console", "terminal,name=x"], "has no name", 2], [["--console", "file=a,name=b c"], "is no name", 2],
    [["--console", "file=/none-such/log"], "cannot be written (ENOENT)", 1],
  ])("%j is refused", async (words, why, code) => {
    const found = await hv(["run", put("console-kernel", arm64Image()), ...words, "--accel", "software"]);
    expect([found.code, found.stderr.split("\n").length, found.stderr]).toEqual([code, 2, expect.stringContaining(why)]);
  });
});
describe("shares", () => {
  test.each([[["--share", "/none-such"], "there is no such directory", 4], [["--share", ""], "its directory is missing", 2], [["--share", "/tmp:a b"], "is no tag", 2], [["--share", "/tmp:x", "--share", "/tmp:x"], "is taken", 2], [["--share", "/tmp", "--deterministic"], "not repeatable", 2]])("%j is refused", async (words, why, code) => {
    const found = await hv(["run", put("share-kernel", arm64Image()), ...words, "--accel", "software"]);
    expect([found.code, found.stderr.split("\n").length, found.stderr]).toEqual([code, 2, expect.stringContaining(why)]);
  });
});
