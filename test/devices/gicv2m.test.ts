import { expect, test } from "bun:test";
import { Gicv2m } from "../../devices/gic/gicv2m.ts";
import { CountedTrace } from "./wires.ts";

test("GICv2m: the type names the frame's interrupts; writing an id pulses that one; others are noted", () => {
  const pulses: string[] = [], trace = new CountedTrace();
  const frame = new Gicv2m({ firstSpi: 48, lines: [0, 1].map(n => ({ set: level => pulses.push(`${n} ${level ? "up" : "down"}`) })), trace });
  expect([frame.read(8, 4), frame.read(8, 2), frame.read(0x40, 4)]).toEqual([80 << 16 | 2, 0, 0]);
  frame.write(0x40, 4, 81);
  for (const [offset, size, value] of [[0x40, 4, 79], [0x40, 4, 82], [0x40, 2, 80], [0x44, 4, 80], [0x40, 4, 0x3ff]] as const) frame.write(offset, size, value);
  expect([pulses, trace.notes.length]).toEqual([["1 up", "1 down"], 5]);
});
