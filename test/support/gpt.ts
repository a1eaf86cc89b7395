// test/support/gpt.ts — a disk image with a GUID partition table and one FAT file system, made with mtools.
// Spec: UEFI 2.10, 5.2.3 (protective MBR) and 5.3 (GPT disk layout).
import { closeSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { ensureDebianPackages, run } from "./packages.ts";

const SECTOR = 512, FIRST = 2048, ENTRIES = 128, ENTRY = 128;
/** EFI System Partition, C12A7328-F81F-11D2-BA4B-00A0C93EC93B, as stored. */
const ESP = Uint8Array.of(0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b);
const DISK_ID = 0x11, PARTITION_ID = 0x22;

/** Makes `path` with these files, by their path in the file system; contents by path on the host or as bytes. */
export function espImage(path: string, mib: number, files: Readonly<Record<string, string | Uint8Array>>): void {
  ensureDebianPackages(["mtools"]);
  const sectors = (mib * 2 ** 20) / SECTOR, last = sectors - 34;
  writeFileSync(path, "");
  truncateSync(path, mib * 2 ** 20);
  const entries = Buffer.alloc(ENTRIES * ENTRY);
  entries.set(ESP, 0);
  entries.fill(PARTITION_ID, 16, 32);
  entries.writeBigUInt64LE(BigInt(FIRST), 32);
  entries.writeBigUInt64LE(BigInt(last), 40);
  const header = (own: number, other: number, table: number): Buffer => {
    const bytes = Buffer.alloc(SECTOR);
    bytes.write("EFI PART\0\0\x01\0\x5c\0\0\0", "latin1");
    for (const [at, value] of [[24, own], [32, other], [40, 34], [48, last], [72, table]] as const) bytes.writeBigUInt64LE(BigInt(value), at);
    bytes.fill(DISK_ID, 56, 72);
    for (const [at, value] of [[80, ENTRIES], [84, ENTRY], [88, Bun.hash.crc32(entries)]] as const) bytes.writeUInt32LE(value, at);
    bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(0, 92)), 16);
    return bytes;
  };
  const mbr = Buffer.alloc(SECTOR);
  mbr.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0], 446);
  mbr.writeUInt32LE(sectors - 1, 458);
  mbr.set([0x55, 0xaa], 510);
  const fd = openSync(path, "r+");
  for (const [bytes, at] of [[mbr, 0], [header(1, sectors - 1, 2), 1], [entries, 2], [entries, sectors - 33], [header(sectors - 1, 1, sectors - 33), sectors - 1]] as const) writeSync(fd, bytes, 0, bytes.length, at * SECTOR);
  closeSync(fd);
  const image = `${path}@@${FIRST * SECTOR}`;
  const tool = (...command: string[]): void => {
    const done = run(command);
    if (done.code !== 0) throw new Error(`${command.join(" ")}: ${done.stderr}`);
  };
  tool("mformat", "-i", image, "-F", "-T", String(last - FIRST + 1), "-h", "16", "-s", "63", "::");
  const made = new Set<string>();
  for (const [name, content] of Object.entries(files)) {
    const parts = name.split("/");
    for (let i = 1; i < parts.length; i++) {
      const folder = parts.slice(0, i).join("/");
      if (!made.has(folder)) tool("mmd", "-i", image, `::/${folder}`);
      made.add(folder);
    }
    const from = typeof content === "string" ? content : `${path}.part`;
    if (typeof content !== "string") writeFileSync(from, content);
    tool("mcopy", "-i", image, from, `::/${name}`);
    if (typeof content !== "string") rmSync(from);
  }
}
