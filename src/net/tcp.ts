// src/net/tcp.ts — one TCP connection with the guest: segments and time in, segments out, bytes to and from an application.
// Spec: RFC 9293 (the state machine of 3.3.2 and the checks of 3.10.7), RFC 7323 (window scale), RFC 6298 (retransmission
// timer), RFC 5681 and RFC 6582 (fast retransmit, recovery), RFC 5961 (what a RST and a SYN have to prove).
// Left out: urgent data (ignored), SACK, time stamps, ECN, path MTU discovery: the path is a copy in memory. A lost segment
// means that the guest had no buffer.
import { ByteQueue } from "./byte-queue.ts";
import { Flag, type TcpSegment } from "./pdu/transport.ts";

/** Milliseconds. */
const RTO_FIRST = 1000, RTO_LEAST = 200, RTO_MOST = 60_000;
const DELAYED_ACK = 20;
const TIME_WAIT = 1000;
/** Timeouts in a row before a peer counts as gone: more than three minutes (R2 of RFC 9293, 3.8.3, wants 100 s); of a SYN half a minute. */
const RETRIES = 10, SYN_RETRIES = 4;
/** RFC 9293, 3.8.4: two hours. */
const KEEPALIVE_IDLE = 7_200_000, KEEPALIVE_INTERVAL = 75_000, KEEPALIVE_PROBES = 9;
/** A connection that both sides have closed, and whose guest says nothing more. */
const FIN_WAIT_2 = 60_000;
const DUPLICATES = 3;
const SCALE = 7;
/** Bytes of a receive window at first, and once a connection has shown that it uses it. */
export const WINDOW_FIRST = 65_535;
export const WINDOW_MOST: number = 1024 * 1024;
/** Pieces kept that came out of order. */
const PIECES = 64;
/** Bytes of one large segment, and what is left for headers of it. */
const LARGE = 65_535 - 128;

type State = "waiting" | "syn-sent" | "syn-received" | "established" | "fin-wait-1" | "fin-wait-2" | "close-wait" | "closing" | "last-ack" | "time-wait" | "closed";

export interface OutSegment {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** Scaled already. */
  readonly window: number;
  readonly syn: { readonly mss: number; readonly scale: number | undefined } | undefined;
  readonly length: number;
  /** Bytes of a segment when `length` is more than one may hold. */
  readonly mss: number;
  /** Writes the payload. */
  fill(into: Uint8Array): void;
}
/** What a connection needs from those around it. */
export interface TcpWires {
  /** Milliseconds. */
  now(): number;
  /** Sends a segment; false when there is no room on the link: `resume` is called when there is. */
  output(segment: OutSegment): boolean;
  /** Bytes that a segment with one checksum may hold, headers apart: the link's MSS, and what the guest cuts up itself if it does. */
  readonly mss: number;
  large(): boolean;
  /** The first sequence number. */
  initial(): number;
  /** Asks for a larger window; false when there is no memory for it. */
  grow(): boolean;

  // The application.
  /** The handshake is done. */
  opened(): void;
  /** Bytes of the guest, in order; how many were taken. The rest comes again with `readMore`. The memory is not the application's. */
  received(bytes: Uint8Array): number;
  /** The guest will send nothing more. */
  finished(): void;
  /** Room in the send buffer again. */
  writable(): void;
  /** It is over, for this reason. The connection must be forgotten. */
  ended(why: "closed" | "reset" | "timeout"): void;
}

const seqLess = (a: number, b: number): boolean => ((a - b) | 0) < 0;
const seqMost = (a: number, b: number): number => (seqLess(a, b) ? b : a);

export class TcpConnection {
  readonly #wires: TcpWires;
  #state: State = "waiting";
  // Sending: RFC 9293, 3.3.1.
  #iss = 0;
  #una = 0;
  #nxt = 0;
  /** The highest sequence number ever sent: after a timeout `nxt` goes back. */
  #max = 0;
  #wnd = 0;
  #wl1 = 0;
  #wl2 = 0;
  #maxWnd = 0;
  #sendScale = 0;
  #mss = 536;
  readonly #buffer: ByteQueue = new ByteQueue();
  #finWanted = false;
  #finSent = false;
  #blocked = false;
  // Congestion: RFC 5681.
  #cwnd = 0;
  #ssthresh = Number.POSITIVE_INFINITY;
  #duplicates = 0;
  #recover = 0;
  #recovering = false;
  // Receiving.
  #rcv = 0;
  #receiveScale = 0;
  /** The right edge of the window that the guest was told, once it was. */
  #advertised = 0;
  #promised = false;
  #window = WINDOW_FIRST;
  #taken = 0;
  readonly #unread: ByteQueue = new ByteQueue();
  #pieces: { seq: number; bytes: Uint8Array }[] = [];
  #finAt: number | undefined;
  #ackNow = false;
  #unacked = 0;
  // Timers: due times in milliseconds.
  #retransmitAt: number | undefined;
  #ackAt: number | undefined;
  #endAt: number | undefined;
  #keepAt: number | undefined;
  #probes = 0;
  #retries = 0;
  #rto: number = RTO_FIRST;
  #srtt: number | undefined;
  #rttvar = 0;
  #timed: { seq: number; at: number } | undefined;

  constructor(wires: TcpWires) { this.#wires = wires; }

  get state(): State { return this.#state; }
  /** Bytes kept, in both directions. */
  get held(): number { return this.#buffer.length + this.#unread.length; }
  get #dead(): boolean { return this.#state === "closed"; }

  // --- the application's calls ---------------------------------------------------------------------------------------

  /** A SYN of the guest: kept until `accept`. */
  listen(syn: TcpSegment): void {
    this.#rcv = (syn.seq + 1) >>> 0;
    this.#options(syn);
    this.#wnd = syn.window;
    this.#wl1 = syn.seq;
  }
  /** Whoever the guest wanted is there. */
  accept(): void {
    if (this.#state !== "waiting") return;
    this.#begin("syn-received");
  }
  /** Opens towards the guest. */
  connect(): void {
    this.#receiveScale = SCALE;
    this.#begin("syn-sent");
  }
  /** Bytes to the guest, kept until it has them: the caller must not change them. */
  send(bytes: Uint8Array): void {
    if (this.#dead || this.#finWanted) return;
    this.#buffer.push(bytes);
    this.#transmit();
  }
  /** Nothing more will be sent. */
  finish(): void {
    if (this.#dead || this.#finWanted) return;
    this.#finWanted = true;
    this.#transmit();
  }
  /** Tells the guest that it is over. */
  abort(): void {
    if (this.#dead) return;
    if (this.#state === "waiting") this.#emit({ seq: 0, flags: Flag.RST | Flag.ACK });
    else if (this.#state !== "time-wait") this.#emit({ seq: this.#max, flags: Flag.RST | (this.#state === "syn-sent" ? 0 : Flag.ACK) });
    this.#end("closed");
  }
  /** The application can take more. */
  readMore(): void {
    while (this.#unread.length > 0 && !this.#dead) {
      const front = this.#unread.front();
      const took = this.#wires.received(front);
      this.#unread.drop(took);
      this.#taken += took;
      if (took < front.length) break;
    }
    if (this.#dead) return;
    this.#finishReading();
    this.#updateWindow();
  }
  /** There is room on the link again. */
  resume(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#transmit();
    this.flush();
  }
  get unsent(): number { return this.#buffer.length; }

  // --- segments ------------------------------------------------------------------------------------------------------

  /** A segment of the guest. `flush` follows when there are no more of them for now. */
  receive(s: TcpSegment): void {
    switch (this.#state) {
      case "closed": return;
      case "waiting": return this.#whileWaiting(s);
      case "syn-sent": return this.#whileOpening(s);
      default:
    }
    this.#keep();
    if (!this.#acceptable(s)) {
      // 3.10.7.4, first: a RST is dropped; RFC 5961: everything else is answered
      if ((s.flags & Flag.RST) === 0) {
        if (this.#state === "time-wait") this.#endAt = this.#wires.now() + TIME_WAIT;
        this.#ackNow = true;
      }
      return;
    }
    if ((s.flags & Flag.RST) !== 0) {
      if (s.seq === this.#rcv) return this.#end("reset");
      this.#ackNow = true; // RFC 5961, 3.2: a challenge
      return;
    }
    if ((s.flags & Flag.SYN) !== 0) {
      this.#ackNow = true; // RFC 5961, 4.2
      return;
    }
    if ((s.flags & Flag.ACK) === 0) return;
    if (!this.#acknowledged(s)) return;
    this.#payload(s);
    this.#transmit();
  }
  /**
   * Sends the acknowledgement that is due, once for all that came. Its number is the highest ever sent, also while something
   * before it goes out again: with a lower one the other side would take it for old, and not read it.
   */
  flush(): void {
    if (this.#dead || this.#state === "waiting" || this.#state === "syn-sent") return;
    if (this.#ackNow || this.#unacked >= 2 * this.#mss) this.#emit({ seq: this.#max, flags: Flag.ACK });
    else if (this.#unacked > 0) this.#ackAt ??= this.#wires.now() + DELAYED_ACK;
  }

  #whileWaiting(s: TcpSegment): void {
    if ((s.flags & Flag.RST) !== 0 && s.seq === this.#rcv) this.#end("reset");
  }
  #whileOpening(s: TcpSegment): void {
    const acks = (s.flags & Flag.ACK) !== 0;
    if (acks && s.ack !== this.#max) {
      if ((s.flags & Flag.RST) === 0) this.#reject(s);
      return;
    }
    if ((s.flags & Flag.RST) !== 0) {
      if (acks) this.#end("reset");
      return;
    }
    if ((s.flags & Flag.SYN) === 0) return;
    this.#rcv = (s.seq + 1) >>> 0;
    this.#options(s);
    this.#wnd = this.#maxWnd = s.window;
    this.#wl1 = s.seq;
    if (!acks) { // both opened at once: 3.5
      this.#state = "syn-received";
      this.#nxt = this.#una;
      this.#sendSyn();
      return;
    }
    this.#una = s.ack;
    this.#establish(s);
    this.#emit({ seq: this.#max, flags: Flag.ACK });
    this.#transmit();
  }
  #establish(s: TcpSegment): void {
    this.#state = "established";
    this.#wl2 = s.ack;
    this.#retries = 0;
    this.#retransmitAt = undefined;
    this.#sampleRtt(s.ack);
    this.#keep();
    this.#wires.opened();
  }
  /** RST for a segment that acknowledges what was never sent. */
  #reject(s: TcpSegment): void { this.#emit({ seq: s.ack, flags: Flag.RST }); }

  #options(s: TcpSegment): void {
    this.#mss = Math.min(this.#wires.mss, Math.max(64, s.mss ?? 536));
    if (s.scale === undefined) this.#receiveScale = 0;
    else {
      this.#sendScale = s.scale;
      this.#receiveScale = SCALE;
    }
    this.#cwnd = Math.max(10 * this.#mss, 64 * 1024);
  }

  /** 3.10.7.4, first, the test of the sequence number. */
  #acceptable(s: TcpSegment): boolean {
    const length = s.payload.length + ((s.flags & (Flag.SYN | Flag.FIN)) !== 0 ? 1 : 0);
    const window = (this.#advertised - this.#rcv) >>> 0;
    const first = (s.seq - this.#rcv) | 0, last = (s.seq + length - 1 - this.#rcv) | 0;
    if (length === 0) return window === 0 ? first === 0 : first >= 0 && first < window;
    if (window === 0) return false;
    return (first >= 0 && first < window) || (last >= 0 && last < window) || (first < 0 && last >= window);
  }

  /** Fifth: the ACK field. False: nothing more of this segment counts. */
  #acknowledged(s: TcpSegment): boolean {
    if (this.#state === "syn-received") {
      if (!seqLess(this.#una, s.ack) || seqLess(this.#max, s.ack)) {
        this.#reject(s);
        return false;
      }
      this.#wnd = s.window << this.#sendScale;
      this.#wl1 = s.seq;
      this.#una = (this.#iss + 1) >>> 0; // the SYN; what else is acknowledged follows
      this.#establish(s);
      if (this.#dead) return false;
    }
    if (seqLess(this.#max, s.ack)) { // RFC 9293: acknowledges what was not sent yet
      this.#ackNow = true;
      return false;
    }
    const acked = (s.ack - this.#una) | 0;
    const window = s.window << this.#sendScale;
    if (acked < 0) return true;
    if (acked > 0) this.#advance(s.ack, acked);
    else if (s.payload.length === 0 && window === this.#wnd && this.#nxt !== this.#una && (s.flags & Flag.FIN) === 0) this.#duplicate();
    if (seqLess(this.#wl1, s.seq) || (this.#wl1 === s.seq && !seqLess(s.ack, this.#wl2))) {
      if (window > 0 && this.#wnd === 0) this.#windowOpened();
      this.#wnd = window;
      this.#maxWnd = Math.max(this.#maxWnd, window);
      this.#wl1 = s.seq;
      this.#wl2 = s.ack;
    }
    return !this.#dead;
  }
  #advance(ack: number, acked: number): void {
    this.#sampleRtt(ack);
    const fin = this.#finSent && ack === this.#max;
    const bytes = fin ? acked - 1 : acked;
    this.#buffer.drop(Math.min(bytes, this.#buffer.length));
    this.#una = ack;
    if (seqLess(this.#nxt, ack)) this.#nxt = ack;
    this.#retries = 0;
    if (this.#srtt !== undefined) this.#rto = this.#rtoOf(this.#srtt);
    this.#retransmitAt = this.#nxt === ack ? undefined : this.#wires.now() + this.#rto;
    if (this.#recovering && !seqLess(ack, this.#recover)) {
      this.#recovering = false;
      this.#cwnd = this.#ssthresh;
    } else if (this.#recovering) this.#retransmitFirst(); // RFC 6582, 3.2: a partial acknowledgement
    else this.#cwnd += this.#cwnd < this.#ssthresh ? acked : Math.ceil(this.#mss * acked / this.#cwnd);
    this.#cwnd = Math.min(this.#cwnd, 2 ** 30);
    this.#duplicates = 0;
    if (fin) this.#finAcknowledged();
    else if (bytes > 0) this.#wires.writable();
  }
  #finAcknowledged(): void {
    switch (this.#state) {
      case "fin-wait-1":
        this.#state = "fin-wait-2";
        return;
      case "closing": return this.#wait();
      case "last-ack": return this.#end("closed");
      default:
    }
  }
  /** No more probes. The guest dropped the byte of the last one unless it has acknowledged it: it goes out again now, not at the probe's timeout. */
  #windowOpened(): void {
    this.#retries = 0;
    this.#rto = this.#srtt === undefined ? RTO_FIRST : this.#rtoOf(this.#srtt);
    if (this.#buffer.length > 0 && ((this.#nxt - this.#una) >>> 0) <= 1) this.#nxt = this.#una;
    if (this.#nxt === this.#una) this.#retransmitAt = undefined;
  }
  #duplicate(): void {
    if (++this.#duplicates !== DUPLICATES || this.#recovering) return;
    this.#ssthresh = Math.max((this.#nxt - this.#una) / 2, 2 * this.#mss);
    this.#cwnd = this.#ssthresh;
    this.#recover = this.#max;
    this.#recovering = true;
    this.#retransmitFirst();
  }
  #retransmitFirst(): void {
    this.#timed = undefined; // Karn
    this.#emitData(this.#una, Math.min(this.#mss, this.#buffer.length));
    this.#retransmitAt = this.#wires.now() + this.#rto;
  }

  /** Seventh and eighth: text and FIN. */
  #payload(s: TcpSegment): void {
    if (this.#state !== "established" && this.#state !== "fin-wait-1" && this.#state !== "fin-wait-2") return;
    let { seq, payload } = s;
    if ((s.flags & Flag.FIN) !== 0) this.#finAt ??= (seq + payload.length) >>> 0;
    const late = (this.#rcv - seq) | 0;
    if (late > 0) {
      payload = payload.subarray(Math.min(late, payload.length));
      seq = this.#rcv;
    }
    const room = (this.#advertised - seq) | 0;
    if (payload.length > room) payload = payload.subarray(0, Math.max(0, room));
    if (payload.length > 0) {
      if (seq === this.#rcv) this.#inOrder(payload);
      else this.#outOfOrder(seq, payload);
    } else if (s.payload.length > 0) this.#ackNow = true; // nothing new
    if (!this.#dead) this.#finishReading();
  }
  #inOrder(bytes: Uint8Array): void {
    this.#take(bytes);
    let i = 0;
    for (; i < this.#pieces.length && !this.#dead; i++) {
      const piece = this.#pieces[i] as { seq: number; bytes: Uint8Array };
      const late = (this.#rcv - piece.seq) | 0;
      if (late < 0) break;
      if (late < piece.bytes.length) this.#take(piece.bytes.subarray(late));
      this.#ackNow = true; // RFC 5681, 4.2: a gap was filled
    }
    if (i > 0) this.#pieces.splice(0, i);
  }
  #take(bytes: Uint8Array): void {
    this.#rcv = (this.#rcv + bytes.length) >>> 0;
    this.#unacked += bytes.length;
    const took = this.#unread.length > 0 ? 0 : this.#wires.received(bytes);
    if (this.#dead) return;
    this.#taken += took;
    if (took < bytes.length) this.#unread.push(bytes.slice(took));
    else if (this.#taken >= 2 * this.#window && this.#window < WINDOW_MOST && this.#receiveScale > 0) { // it is used, and read
      this.#taken = 0;
      if (this.#wires.grow()) this.#window = WINDOW_MOST;
    }
  }
  #outOfOrder(seq: number, bytes: Uint8Array): void {
    this.#ackNow = true;
    if (this.#pieces.length >= PIECES) return;
    const at = this.#pieces.findIndex(piece => seqLess(seq, piece.seq));
    const piece = { seq, bytes: bytes.slice() };
    if (at < 0) this.#pieces.push(piece);
    else this.#pieces.splice(at, 0, piece);
  }
  /** The guest's FIN counts once everything before it was taken. */
  #finishReading(): void {
    if (this.#finAt === undefined || this.#rcv !== this.#finAt || this.#unread.length > 0) return;
    if (this.#state !== "established" && this.#state !== "fin-wait-1" && this.#state !== "fin-wait-2") return;
    this.#rcv = (this.#rcv + 1) >>> 0;
    this.#ackNow = true;
    const { state } = this;
    if (state === "established") this.#state = "close-wait";
    else if (state === "fin-wait-1") this.#state = "closing";
    else this.#wait();
    this.#wires.finished();
  }
  #wait(): void {
    this.#state = "time-wait";
    this.#retransmitAt = undefined;
    this.#endAt = this.#wires.now() + TIME_WAIT;
  }

  // --- sending -------------------------------------------------------------------------------------------------------

  #begin(state: "syn-sent" | "syn-received"): void {
    this.#state = state;
    this.#iss = this.#wires.initial() >>> 0;
    this.#una = this.#nxt = this.#max = this.#iss;
    this.#sendSyn();
  }
  #sendSyn(): void {
    const scale = this.#receiveScale > 0 ? this.#receiveScale : undefined;
    this.#emit({ seq: this.#iss, flags: Flag.SYN | (this.#state === "syn-received" ? Flag.ACK : 0), syn: { mss: this.#wires.mss, scale } });
    if (this.#max === this.#iss) this.#timed = { seq: this.#iss, at: this.#wires.now() };
    this.#nxt = this.#max = (this.#iss + 1) >>> 0;
    this.#retransmitAt = this.#wires.now() + this.#rto;
  }

  /** Sends what window, congestion and link allow. */
  #transmit(): void {
    switch (this.#state) {
      case "established": case "close-wait": case "fin-wait-1": case "closing": case "last-ack": break;
      default: return;
    }
    for (;;) {
      const sent = (this.#nxt - this.#una) >>> 0; // in flight; the FIN counts
      const left = this.#buffer.length - sent;
      if (left <= 0) break;
      const usable = Math.min(this.#wnd, this.#cwnd) - sent;
      let length = Math.min(left, usable, this.#wires.large() ? LARGE - LARGE % this.#mss : this.#mss);
      if (length > this.#mss && length < left) length -= length % this.#mss;
      if (length <= 0) break;
      // RFC 9293, 3.8.6.2.1: no silly small segments into a window that opens slowly
      if (length < this.#mss && length < left && length < this.#maxWnd / 2 && sent > 0) break;
      if (!this.#emitData(this.#nxt, length)) return;
      if (this.#nxt === this.#max) this.#timed ??= { seq: this.#nxt, at: this.#wires.now() }; // Karn: nothing that went out before
      this.#nxt = (this.#nxt + length) >>> 0;
      this.#max = seqMost(this.#max, this.#nxt);
      this.#retransmitAt ??= this.#wires.now() + this.#rto;
    }
    const end = (this.#una + this.#buffer.length) >>> 0;
    if (this.#finWanted && this.#nxt === end && !(this.#finSent && this.#max === this.#nxt)) {
      if (!this.#emit({ seq: this.#nxt, flags: Flag.FIN | Flag.ACK })) return;
      if (!this.#finSent) this.#state = this.#state === "close-wait" ? "last-ack" : this.#state === "established" ? "fin-wait-1" : this.#state;
      this.#finSent = true;
      this.#nxt = (end + 1) >>> 0;
      this.#max = seqMost(this.#max, this.#nxt);
      this.#retransmitAt ??= this.#wires.now() + this.#rto;
    }
    // nothing in flight and no window: probe it, 3.8.6.1
    if (this.#nxt === this.#una && this.#buffer.length > 0) this.#retransmitAt ??= this.#wires.now() + this.#rto;
  }
  #emitData(seq: number, length: number): boolean {
    const offset = (seq - this.#una) >>> 0;
    const last = offset + length >= this.#buffer.length;
    if (length === 0 && this.#finSent) return this.#emit({ seq, flags: Flag.FIN | Flag.ACK });
    return this.#emit({ seq, flags: Flag.ACK | (last ? Flag.PSH : 0), length, offset });
  }
  #emit(one: { readonly seq: number; readonly flags: number; readonly length?: number; readonly offset?: number; readonly syn?: OutSegment["syn"] }): boolean {
    const { seq, flags, length = 0, offset = 0, syn } = one;
    const window = this.#windowNow();
    const scaled = Math.min(65_535, syn === undefined ? Math.ceil(window / 2 ** this.#receiveScale) : window); // 2.2: a SYN's is not scaled
    const done = this.#wires.output({
      seq, ack: (flags & Flag.ACK) === 0 ? 0 : this.#rcv, flags, window: scaled, syn, length, mss: this.#mss,
      fill: into => this.#buffer.copy(offset, into),
    });
    if (!done) {
      this.#blocked = true;
      return false;
    }
    if ((flags & Flag.ACK) !== 0) {
      const edge = (this.#rcv + (syn === undefined ? scaled << this.#receiveScale : scaled)) >>> 0;
      this.#advertised = this.#promised ? seqMost(this.#advertised, edge) : edge;
      this.#promised = true;
      this.#ackNow = false;
      this.#unacked = 0;
      this.#ackAt = undefined;
    }
    return true;
  }
  /** Bytes that the guest may send: never less than was promised. */
  #windowNow(): number {
    const room = Math.max(0, this.#window - this.#unread.length);
    const promised = (this.#advertised - this.#rcv) | 0;
    return Math.max(room, this.#promised ? promised : 0);
  }
  /** Tells of a window that has opened by a good deal. */
  #updateWindow(): void {
    const promised = (this.#advertised - this.#rcv) | 0, room = this.#window - this.#unread.length;
    if (room - promised >= Math.min(2 * this.#mss, this.#window / 2) && (promised < this.#window / 2 || this.#unread.length === 0)) this.#ackNow = true;
    this.flush();
  }

  // --- time ----------------------------------------------------------------------------------------------------------

  /** When `tick` is wanted, in milliseconds. */
  due(): number | undefined {
    let least: number | undefined;
    for (const at of [this.#retransmitAt, this.#ackAt, this.#endAt, this.#keepAt]) if (at !== undefined && (least === undefined || at < least)) least = at;
    return this.#dead ? undefined : least;
  }
  tick(): void {
    const now = this.#wires.now();
    if (this.#dead) return;
    if (this.#endAt !== undefined && now >= this.#endAt) return this.#end("closed");
    if (this.#ackAt !== undefined && now >= this.#ackAt) {
      this.#ackAt = undefined;
      this.#ackNow = true;
      this.flush();
    }
    if (this.#retransmitAt !== undefined && now >= this.#retransmitAt) this.#timeout(now);
    if (!this.#dead && this.#keepAt !== undefined && now >= this.#keepAt) this.#keepAlive(now);
  }
  #timeout(now: number): void {
    const opening = this.#state === "syn-sent" || this.#state === "syn-received";
    const probing = !opening && this.#wnd === 0 && this.#buffer.length > 0;
    if (++this.#retries > (opening ? SYN_RETRIES : RETRIES) && !probing) {
      if (!opening) this.#emit({ seq: this.#max, flags: Flag.RST | Flag.ACK });
      return this.#end("timeout");
    }
    this.#rto = Math.min(RTO_MOST, this.#rto * 2);
    this.#retransmitAt = now + this.#rto;
    this.#timed = undefined;
    if (opening) return this.#sendSyn();
    if (!probing) { // RFC 5681, 3.1: back to slow start, and everything behind the first hole goes out again as it opens
      this.#ssthresh = Math.max(((this.#nxt - this.#una) >>> 0) / 2, 2 * this.#mss);
      this.#cwnd = this.#mss;
    }
    this.#recovering = false;
    this.#duplicates = 0;
    this.#nxt = this.#una;
    if (!probing) return this.#transmit();
    if (!this.#emitData(this.#una, 1)) return; // one byte more than the window allows
    this.#nxt = (this.#una + 1) >>> 0;
    this.#max = seqMost(this.#max, this.#nxt);
  }
  #keep(): void {
    this.#probes = 0;
    this.#keepAt = this.#wires.now() + KEEPALIVE_IDLE;
  }
  #keepAlive(now: number): void {
    if (this.#state === "time-wait") return;
    if (++this.#probes > KEEPALIVE_PROBES) {
      this.#emit({ seq: this.#max, flags: Flag.RST | Flag.ACK });
      return this.#end("timeout");
    }
    this.#keepAt = now + KEEPALIVE_INTERVAL;
    this.#emit({ seq: (this.#una - 1) >>> 0, flags: Flag.ACK });
  }
  /** The application has closed for good: a guest that never finishes is not waited for. */
  abandon(): void {
    if (this.#state === "fin-wait-1" || this.#state === "fin-wait-2" || this.#state === "closing") this.#endAt ??= this.#wires.now() + FIN_WAIT_2;
  }

  #sampleRtt(ack: number): void {
    if (this.#timed === undefined || !seqLess(this.#timed.seq, ack)) return;
    const rtt = this.#wires.now() - this.#timed.at;
    this.#timed = undefined;
    if (this.#srtt === undefined) {
      this.#srtt = rtt;
      this.#rttvar = rtt / 2;
    } else {
      this.#rttvar = 0.75 * this.#rttvar + 0.25 * Math.abs(this.#srtt - rtt);
      this.#srtt = 0.875 * this.#srtt + 0.125 * rtt;
    }
    this.#rto = this.#rtoOf(this.#srtt);
  }
  #rtoOf(srtt: number): number { return Math.min(RTO_MOST, Math.max(RTO_LEAST, srtt + Math.max(1, 4 * this.#rttvar))); }

  #end(why: "closed" | "reset" | "timeout"): void {
    if (this.#dead) return;
    this.#state = "closed";
    this.#pieces = [];
    this.#wires.ended(why);
  }
}
