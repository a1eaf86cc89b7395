// test/net/tcp.test.ts — the TCP of the user network: two of its own ends over a link that loses, doubles and reorders, with a
// clock moved by hand; and single segments that a guest should not send.
import { describe, expect, test } from "bun:test";
import { TcpConnection, type OutSegment } from "../../src/net/tcp.ts";
import { Flag, type TcpSegment } from "../../src/net/pdu/transport.ts";
import { Random } from "../support/random.ts";

/** Chances of one in a hundred, and how slow the readers are. */
interface LinkOptions { readonly lose: number; readonly double: number; readonly reorder: number; readonly large: boolean; readonly readers: number }
interface End { readonly tcp: TcpConnection; readonly sent: Uint8Array; readonly got: number[]; pushed: number; room: number; finished: boolean; ended: string | undefined }

class Pair {
  now = 0;
  readonly random: Random;
  readonly options: LinkOptions;
  readonly wire: { at: number; to: 0 | 1; segment: TcpSegment }[] = [];
  readonly ends: [End, End];
  constructor(seed: number, options: LinkOptions, lengths: readonly [number, number]) {
    this.random = new Random(seed);
    this.options = options;
    this.ends = [this.#end(0, lengths[0]), this.#end(1, lengths[1])];
  }
  #end(index: 0 | 1, length: number): End {
    const end: End = {
      sent: this.random.bytes(length), got: [], pushed: 0, room: 1 << 30, finished: false, ended: undefined,
      tcp: new TcpConnection({
        now: () => this.now, mss: 1460, large: () => this.options.large, initial: () => this.random.u32(), grow: () => true,
        output: s => {
          this.#send(index === 0 ? 1 : 0, s);
          return true;
        },
        opened: () => {},
        received: bytes => {
          const n = Math.min(bytes.length, end.room);
          end.got.push(...bytes.subarray(0, n));
          end.room -= n;
          return n;
        },
        finished: () => { end.finished = true; },
        writable: () => this.#push(end),
        ended: why => { end.ended = why; },
      }),
    };
    return end;
  }
  #push(end: End): void {
    while (end.pushed < end.sent.length && end.tcp.unsent < 100_000) {
      const part = end.sent.subarray(end.pushed, end.pushed + 1 + this.random.below(20_000));
      end.pushed += part.length;
      end.tcp.send(part);
    }
    if (end.pushed === end.sent.length) end.tcp.finish();
  }
  #send(to: 0 | 1, s: OutSegment): void {
    const chance = (percent: number): boolean => this.random.below(100) < percent;
    const payload = new Uint8Array(s.length);
    s.fill(payload);
    const segment: TcpSegment = { from: 1, to: 2, seq: s.seq, ack: s.ack, flags: s.flags, window: s.window, mss: s.syn?.mss, scale: s.syn?.scale, payload };
    if (chance(this.options.lose)) return;
    const delay = (): number => 1 + (chance(this.options.reorder) ? this.random.below(30) : 0);
    this.wire.push({ at: this.now + delay(), to, segment });
    if (chance(this.options.double)) this.wire.push({ at: this.now + delay(), to, segment });
  }
  /** Runs until both ends are through, or a day has passed. */
  run(): void {
    const [a, b] = this.ends;
    a.tcp.connect();
    for (; this.now < 86_400_000 && (a.ended === undefined || b.ended === undefined);) {
      const next = Math.min(...this.wire.map(one => one.at), a.tcp.due() ?? Infinity, b.tcp.due() ?? Infinity, this.options.readers > 0 ? this.now + 5 : Infinity);
      if (next === Infinity) return;
      this.now = Math.max(this.now, next);
      const due = this.wire.filter(one => one.at <= this.now);
      for (const one of due) this.wire.splice(this.wire.indexOf(one), 1);
      for (const { to, segment } of due) {
        const end = this.ends[to];
        if (end.tcp.state === "waiting" && (segment.flags & Flag.SYN) !== 0) {
          end.tcp.listen(segment);
          end.tcp.accept();
        } else end.tcp.receive(segment);
      }
      for (const end of this.ends) {
        if (this.options.readers > 0) {
          end.room = this.random.below(4) === 0 ? this.options.readers : 0;
          end.tcp.readMore();
        }
        end.tcp.tick();
        if (end.tcp.state === "established" || end.tcp.state === "close-wait") this.#push(end);
        end.tcp.flush();
      }
    }
  }
}
const clean: LinkOptions = { lose: 0, double: 0, reorder: 0, large: false, readers: 0 };
const links: readonly (readonly [string, LinkOptions])[] = [
  ["a good link", clean],
  ["a good link with large segments", { ...clean, large: true }],
  ["a link that loses", { ...clean, lose: 5 }],
  ["a link that loses much", { ...clean, lose: 20 }],
  ["a link that doubles and reorders", { ...clean, double: 10, reorder: 40 }],
  ["a link that does all of it", { ...clean, lose: 5, double: 10, reorder: 30, large: true }],
  ["readers that stop and go", { ...clean, readers: 3000 }],
  ["readers that stop and go behind a bad link", { ...clean, lose: 5, double: 5, reorder: 20, readers: 3000 }],
];

describe.each(links)("byte streams arrive whole, in order and once over %s", (_name, options) => {
  test.each([1, 2, 3, 4])("seed %d", seed => {
    const pair = new Pair(seed, options, [150_000, 90_001]);
    pair.run();
    const [a, b] = pair.ends;
    expect([a.finished, b.finished]).toEqual([true, true]);
    expect(Buffer.from(b.got).equals(Buffer.from(a.sent))).toBe(true);
    expect(Buffer.from(a.got).equals(Buffer.from(b.sent))).toBe(true);
    expect([a.ended, b.ended]).toEqual(["closed", "closed"]);
  });
  test("nothing to say", () => {
    const pair = new Pair(9, options, [0, 0]);
    pair.run();
    expect(pair.ends.map(end => [end.finished, end.ended, end.got.length])).toEqual([[true, "closed", 0], [true, "closed", 0]]);
  });
});
