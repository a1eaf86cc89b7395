// test/host/release/code-signature.test.ts — the signature of the macOS executable, checked by a parser of its own kind
// (Python), against constants that Apple's tools make, and byte by byte.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { entitlementsDer, grantedBy, signMachO, type Signing } from "../../../src/host/release/code-signature.ts";
import { ensureDebianPackages } from "../../support/packages.ts";
import { Random } from "../../support/random.ts";

const VERIFIER = join(import.meta.dir, "../../support/verify-macho.py");
export const HYPERVISOR = "com.apple.security.hypervisor";
/** What codesign makes of {com.apple.security.hypervisor: true}. */
const DER = "7029020101b02430220c1d636f6d2e6170706c652e73656375726974792e68797065727669736f720101ff";
const DER_BLOB_HASH = "50637f8d5e69634f1216d328acdfb7196f9099fbbab6e6d490747cf12dc43496";
const NO_REQUIREMENTS_HASH = "987920904eab650e75788c054aa0b0524e6a80bfc71aa32df8d237a61743f986";
const plist = readFileSync(join(import.meta.dir, "../../../src/host/release/entitlements.plist"));
const signing: Signing = { identifier: "hv", entitlements: grantedBy(plist.toString()), plist };

/** A small executable: a header, segments __TEXT and __LINKEDIT, `tail` bytes of symbols, and a signature of no worth. */
function machO(tail: number): Uint8Array {
  const text = 0x4000, dataoff = text + tail, size = dataoff + 32;
  const file = new Uint8Array(size), view = new DataView(file.buffer);
  file.set(new Random(7).bytes(size));
  const commands = 2 * 72 + 16;
  [0xfeedfacf, 0x0100000c, 0, 2, 3, commands, 0, 0].forEach((value, i) => view.setUint32(4 * i, value, true));
  const segment = (at: number, name: string, fileoff: number, filesize: number): void => {
    file.fill(0, at, at + 72);
    view.setUint32(at, 0x19, true);
    view.setUint32(at + 4, 72, true);
    file.set(new TextEncoder().encode(name), at + 8);
    [0x1_0000_0000 + fileoff, 0x4000, fileoff, filesize].forEach((value, i) => view.setBigUint64(at + 24 + 8 * i, BigInt(value), true));
  };
  segment(32, "__TEXT", 0, text);
  segment(104, "__LINKEDIT", text, size - text);
  [0x1d, 16, dataoff, 32].forEach((value, i) => view.setUint32(176 + 4 * i, value, true));
  return file;
}

let place: string;
beforeAll(() => {
  ensureDebianPackages(["python3"]);
  place = mkdtempSync(join(tmpdir(), "hv-sign-"));
}, 300_000);
afterAll(() => rmSync(place, { recursive: true, force: true }));
const verifier = (bytes: Uint8Array, ...more: readonly string[]): { code: number; text: string } => {
  const path = join(place, "file");
  writeFileSync(path, bytes);
  const run = Bun.spawnSync(["python3", VERIFIER, path, ...more]);
  return { code: run.exitCode, text: run.stdout.toString().trim() + run.stderr.toString() };
};

describe("a signature", () => {
  test("holds for the verifier, with what was asked for and nothing else", () => {
    const { code, text } = verifier(signMachO(machO(0x1230), signing));
    expect([code, JSON.parse(text)]).toEqual([0, {
      identifier: "hv", flags: 2, pages: 6, pageSize: 4096, codeLimit: 0x5230, entitlements: { [HYPERVISOR]: true }, der: DER,
      requirementsHash: NO_REQUIREMENTS_HASH, derBlobHash: DER_BLOB_HASH, segments: ["__TEXT", "__LINKEDIT"],
    }]);
  });
  test("no byte of the file can change without the verifier's notice", () => {
    const signed = signMachO(machO(0x230), signing);
    expect(verifier(signed, "flip", "0", String(signed.length))).toEqual({ code: 0, text: "[]" });
  }, 120_000);
  test("what was there before is refused: it had no entitlement", () => {
    expect(verifier(machO(0x230)).code).toBe(1);
  });
  test("signing twice changes nothing, and leaves the caller's bytes alone", () => {
    const file = machO(0x230), before = file.slice(), once = signMachO(file, signing);
    expect(Buffer.compare(signMachO(once, signing), once)).toBe(0);
    expect(Buffer.compare(file, before)).toBe(0);
  });
  test("entitlements in DER are sorted: {allow-jit, hypervisor}", () => {
    expect(Buffer.from(entitlementsDer([HYPERVISOR, "com.apple.security.cs.allow-jit"])).toString("hex"))
      .toBe("704f020101b04a30240c1f636f6d2e6170706c652e73656375726974792e63732e616c6c6f772d6a69740101ff30220c1d636f6d2e6170706c652e73656375726974792e68797065727669736f720101ff");
    expect(Buffer.from(entitlementsDer(signing.entitlements)).toString("hex")).toBe(DER);
  });
  test.each([["no Mach-O", new Uint8Array(64)], ["an x64 one", (() => { const file = machO(16); file[4] = 7; return file; })()], ["one without a signature", (() => { const file = machO(16); file[176] = 0; return file; })()], ["one with bytes behind its signature", Buffer.concat([machO(16), new Uint8Array(1)])]])("%s is not signed", (_, file) => {
    expect(() => signMachO(file, signing)).toThrow("this is no executable that can be signed");
  });
  test("entitlements.plist grants the hypervisor and nothing else", () => { expect(signing.entitlements).toEqual([HYPERVISOR]); });
});
