// test/cpu/translate/blocks.test.ts — the table of blocks, against a list of them.
import { expect, test } from "bun:test";
import { BlockTable } from "../../../src/cpu/translate/blocks.ts";
import { Random } from "../../support/random.ts";

const PAGES = 40;

test("blocks are found by their key and by the words that they depend on, as long as they live", () => {
  const table = new BlockTable(), random = new Random(7), living = new Map<number, { page: number; first: number; length: number; looked: number; block: number }>();
  const dependents = (page: number, from: number, to: number): number[] => {
    const found: number[] = [];
    for (let block = -1; (block = table.dependent(page, block, from, to)) >= 0;) {
      found.push(block);
      expect(found.length).toBeLessThan(10_000);
    }
    return found.sort((a, b) => a - b);
  };
  for (let round = 0; round < 120_000; round++) {
    const page = random.below(PAGES), first = random.below(1024), el = random.below(2), key = (page * 1024 + first) * 2 + el, known = living.get(key);
    if (known === undefined) {
      const length = 1 + random.below(Math.min(64, 1024 - first)), looked = random.below(8) === 0 ? 2 : 0, lo = el === 0 ? first * 4 : page * 4096 + first * 4;
      living.set(key, { page, first, length, looked, block: table.add(key, lo, el === 0 ? 0 : -1, 16 * table.count, 0, length, looked) });
    } else if (random.below(3) !== 0) {
      table.kill(known.block);
      living.delete(key);
    }
    if (round % 1000 !== 0) continue;
    const from = 16 * random.below(64);
    expect(dependents(page, from, from + 16)).toEqual([...living.values()].filter(one => one.page === page && (one.looked > 0 || (one.first < from + 16 && one.first + one.length > from))).map(one => one.block).sort((a, b) => a - b));
    for (let n = 0; n < 1000; n++) {
      const any = random.below(2 * PAGES * 1024);
      expect(table.find(any)).toBe(living.get(any)?.block ?? -1);
    }
  }
  expect(table.count).toBeGreaterThan(50_000);
  table.clear();
  expect([table.count, table.find([...living.keys()][0] as number), dependents(1, 0, 1024)]).toEqual([0, -1, []]);
});
test("one that dies while its chain is walked ends nothing", () => {
  const table = new BlockTable(), blocks = Array.from({ length: 9 }, (_, i) => table.add(2048 + 8 * i, 4096 + 16 * i, 0, 0, 0, 4, 0));
  const seen: number[] = [];
  for (let block = -1; (block = table.dependent(1, block, 0, 1024)) >= 0;) {
    seen.push(block);
    if (block % 3 !== 1) table.kill(block);
  }
  expect(seen).toEqual(blocks.toReversed());
  expect([1, 4, 7].map(i => table.dependent(1, -1, 4 * i, 4 * i + 4))).toEqual([1, 4, 7].map(i => blocks[i] as number));
  expect([0, 2, 8].map(i => table.dependent(1, -1, 4 * i, 4 * i + 4))).toEqual([-1, -1, -1]);
});
