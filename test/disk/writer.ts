// test/disk/writer.ts — `bun test/disk/writer.ts IMAGE SEED`: writes to a qcow2 image until it is killed. One line on standard
// output for each write before it is made ("w SECTOR COUNT VALUE") and for each flush that has come to its end ("f").
import { writeSync } from "node:fs";
import { flushNow } from "../../src/disk/image.ts";
import { openImage } from "../../src/host/disk-image.ts";
import { Random } from "../support/random.ts";

const [path, seed] = process.argv.slice(2) as [string, string];
const random = new Random(Number(seed)), image = openImage(path, { label: path, write: true, format: "qcow2" }), sectors = image.size / 512;
for (;;) {
  const first = random.below(sectors), count = 1 + random.below(Math.min(64, sectors - first)), value = random.below(255);
  if (random.below(6) === 0) {
    flushNow(image);
    writeSync(1, "f\n");
    continue;
  }
  writeSync(1, `w ${first} ${count} ${value}\n`);
  if (value === 0) image.writeZeroes(first * 512, count * 512, true);
  else image.write(first * 512, new Uint8Array(count * 512).fill(value));
}
