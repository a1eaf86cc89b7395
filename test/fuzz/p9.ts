// test/fuzz/p9.ts — 9P messages that are nearly right, on a directory of this host: whatever they say, an answer of the right
// shape comes back, and nothing outside of the directory is read or changed.
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { T } from "../../src/share/server.ts";
import { P9Client, message, u16, u32, u64, u8, type Field } from "../support/p9-client.ts";
import { Random } from "../support/random.ts";
import { Status } from "../support/virtio-driver.ts";

const NAMES = ["a", "b", "dir", "link", "out", "..", ".", "", "a/b", "/etc", "../secret", "x".repeat(256), "\ud800", "fifo"];

export function fuzzP9(seed: number): void {
  const random = new Random(seed * 7 + 3), place = mkdtempSync(join(tmpdir(), "hv-fuzz-9p-")), dir = join(place, "shared");
  mkdirSync(join(dir, "dir"), { recursive: true });
  writeFileSync(join(dir, "a"), "inside");
  writeFileSync(join(place, "secret"), "SECRET");
  symlinkSync("../secret", join(dir, "link"));
  symlinkSync("..", join(dir, "out"));
  const before = lstatSync(join(place, "secret")), client = new P9Client(dir, seed % 5 === 0), types = Object.values(T);
  const name = (): string => NAMES[random.below(NAMES.length)] as string, fid = (): Field => u32(random.below(6));
  const number = (): number => [0, 1, 5, 4096, 0xffff_ffff, random.u32()][random.below(6)] as number;
  try {
    client.attach(0);
    for (let n = 0; n < 150; n++) {
      const type = random.below(12) === 0 ? random.below(256) : types[random.below(types.length)] as number;
      const shapes: readonly (readonly Field[])[] = [
        [fid(), fid(), u16(random.below(4)), name(), name(), name()], [fid(), u32(random.below(4) | (random.below(4) === 0 ? number() : 0))], [fid(), name(), u32(number()), u32(number()), u32(0)], [fid(), name(), fid(), name()], [fid(), name(), u32(0x200 * random.below(2))],
        [fid(), u64(number()), u32(number()), new Uint8Array(random.below(100))], [fid(), fid(), name(), u32(0)], [fid(), u32(number()), u32(number()), u32(0), u32(0), u64(random.below(9999)), u64(1), u64(2), u64(3), u64(4)], [fid(), u8(1), u64(1), u64(2), u32(3), name()],
        [fid(), fid(), name(), "", u32(0)], [u32(8192 + random.below(9999)), random.below(3) === 0 ? "9P2000" : "9P2000.L"], [fid(), name(), name(), u32(0)],
      ];
      let bytes = message(type, shapes[random.below(shapes.length)] as readonly Field[], random.u32() & 0xffff);
      if (random.below(10) === 0) bytes = random.damage(bytes);
      if (bytes.length === 0) continue;
      let answer: Uint8Array;
      try {
        answer = client.send(bytes, random.below(15) === 0 ? 11 + random.below(40) : 65536);
      } catch {
        if ((client.driver.status & Status.NEEDS_RESET) === 0) throw new Error("no answer, and no reset");
        client.driver.start();
        continue;
      }
      if (answer.length < 7 || new DataView(answer.buffer).getUint32(0, true) !== answer.length) throw new Error("an answer of a wrong length");
      if (Buffer.from(answer).includes("SECRET")) throw new Error("a file outside was read");
    }
    const after = lstatSync(join(place, "secret"));
    if (readFileSync(join(place, "secret"), "utf8") !== "SECRET" || after.mode !== before.mode || after.mtimeMs !== before.mtimeMs || readdirSync(place).length !== 2) throw new Error("something outside was changed");
  } finally {
    client.close();
    rmSync(place, { recursive: true, force: true });
  }
}
