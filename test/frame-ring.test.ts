// test/frame-ring.test.ts — records through shared memory: in order and whole, across the end of the ring, with one wake per rest.
import { expect, test } from "bun:test";
import { FrameRing, newFrameRing } from "../src/frame-ring.ts";
import { Random } from "./support/random.ts";

test.each([1, 2, 3])("what goes in comes out, seed %d", seed => {
  const memory = newFrameRing(), random = new Random(seed);
  const writer = new FrameRing(memory, () => {}), reader = new FrameRing(memory, () => {});
  const expected: number[] = [], got: number[] = [];
  let next = 0, refused = 0;
  for (let turn = 0; turn < 20_000; turn++) {
    if (random.below(2) === 0) {
      const length = 1 + random.below(random.below(4) === 0 ? 65_000 : 1500);
      const room = writer.reserve(length);
      if (room === undefined) refused++;
      else {
        room[0] = next & 0xff;
        room[length - 1] = next & 0xff;
        expected.push(length, next & 0xff);
        next++;
        writer.commit();
      }
    } else {
      const record = reader.next();
      if (record === undefined) continue;
      got.push(record.length, record[record.length - 1] as number);
      reader.release();
    }
  }
  for (let record = reader.next(); record !== undefined; record = reader.next()) {
    got.push(record.length, record[record.length - 1] as number);
    reader.release();
  }
  expect(got).toEqual(expected);
  expect(refused).toBeGreaterThan(0);
});
test("a reader that rests is woken once, and a writer that waits when half of the ring is free", () => {
  const memory = newFrameRing();
  let wokenReader = 0, wokenWriter = 0;
  const writer = new FrameRing(memory, () => { wokenReader++; }), reader = new FrameRing(memory, () => { wokenWriter++; });
  const write = (): boolean => {
    if (writer.reserve(60_000) === undefined) return false;
    writer.commit();
    return true;
  };
  expect(reader.rest()).toBe(true);
  write();
  write();
  expect([wokenReader, reader.rest()]).toEqual([1, false]);
  while (write());
  for (let i = 0; i < 4; i++) reader.release();
  expect(wokenWriter).toBe(0);
  while (reader.next() !== undefined) reader.release();
  expect(wokenWriter).toBe(1);
});
