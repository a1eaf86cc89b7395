// devices/virtio/console.ts — virtio-console: consoles and named ports, each a stream of bytes in both directions.
// Spec: OASIS virtio 1.2, 5.3. What waits for a reader on the host waits in the guest's buffers, and the guest goes on; what is for
// the guest waits with the host until somebody has opened the port. What has to be told of a port is a set of bits, so that a
// driver without buffers for it costs nothing. Left out: ports that come and go while the guest runs.
import type { ConsolePort, HostEnd } from "./console-port.ts";
import type { VirtioDevice, VirtioTransport } from "./device.ts";
import { drain, type Chain, type SplitQueue } from "./queue.ts";

/** 5.3.3. */
const VIRTIO_CONSOLE_F = { SIZE: 1 << 0, MULTIPORT: 1 << 1, EMERG_WRITE: 1 << 2 } as const;
/** struct virtio_console_config, 5.3.4. */
const Config = { cols: 0, rows: 2, max_nr_ports: 4, emerg_wr: 8, SIZE: 12 } as const;
/** struct virtio_console_control, 5.3.6.2: le32 id, le16 event, le16 value. */
const VIRTIO_CONSOLE = { DEVICE_READY: 0, PORT_ADD: 1, PORT_READY: 3, CONSOLE_PORT: 4, RESIZE: 5, PORT_OPEN: 6, PORT_NAME: 7 } as const;
const CONTROL = 8;
const CONTROL_RX = 2, CONTROL_TX = 3;
/** What a driver has to be told of a port, in this order. */
const TELL = { add: 1, console: 2, name: 4, size: 8, open: 16 } as const;
/** Bytes taken from a buffer of the guest in one go. */
const PIECE = 16 * 1024;
export const CONSOLE_PORTS_MAX = 31;

interface State {
  readonly end: ConsolePort;
  /** The driver has it open. */
  open: boolean;
  /** The driver knows the port, and waits to hear of it. */
  ready: boolean;
  /** What the driver was told of the host's end. */
  told: HostEnd;
  tell: number;
  /** Bytes of the oldest record for the guest that it has already. */
  sent: number;
  /** A buffer of the guest that did not find room, and how much of it did. */
  unsent: Chain | undefined;
  taken: number;
  rxIdle: boolean;
  txIdle: boolean;
}
const CLOSED: HostEnd = { open: false, columns: 0, rows: 0 };
const fresh = (end: ConsolePort): State => ({ end, open: false, ready: false, told: CLOSED, tell: 0, sent: 0, unsent: undefined, taken: 0, rxIdle: true, txIdle: false });

export class VirtioConsole implements VirtioDevice {
  readonly name = "console";
  readonly id = 3;
  readonly configuredEarly = true;
  readonly features: number = VIRTIO_CONSOLE_F.SIZE | VIRTIO_CONSOLE_F.MULTIPORT | VIRTIO_CONSOLE_F.EMERG_WRITE;
  readonly queues: number;
  readonly config: Uint8Array = new Uint8Array(Config.SIZE);
  readonly #view = new DataView(this.config.buffer);
  readonly #ports: State[];
  #transport: VirtioTransport | undefined;
  #multiport = false;
  #controlIdle = true;

  /** At least one, and at most `CONSOLE_PORTS_MAX`; the first serves a driver that knows of one only. */
  constructor(ports: readonly ConsolePort[]) {
    this.#ports = ports.map(fresh);
    this.queues = 2 + 2 * ports.length;
    this.#view.setUint32(Config.max_nr_ports, ports.length, true);
    this.#takeSize();
  }
  attach(transport: VirtioTransport): void { this.#transport = transport; }
  negotiated(features: number): void {
    this.#multiport = (features & VIRTIO_CONSOLE_F.MULTIPORT) !== 0;
    if (!this.#multiport) this.#open(this.#ports[0] as State, true);
  }
  reset(): void {
    this.#multiport = false;
    this.#controlIdle = true;
    this.#ports.forEach((port, i) => {
      this.#open(port, false);
      this.#ports[i] = fresh(port.end);
    });
  }
  /** 5.3.4: the low byte of emerg_wr goes to the first port at once, whatever became of the queues: a dying kernel's last words. */
  configure(offset: number, _size: number, value: number): void {
    if (offset !== Config.emerg_wr) return this.#transport?.note("write to the configuration space ignored");
    const { end } = this.#ports[0] as State, into = end.reserve(1);
    if (into === undefined) return this.#transport?.note("emergency write dropped: the reader is slow");
    into[0] = value;
    end.commit();
  }
  /** Something has changed at the host's end of a port: bytes, room, who is there, the size of its window. */
  serve(): void {
    this.#takeSize();
    this.#ports.forEach((port, i) => {
      this.#compare(port);
      const [rx, tx] = queuesOf(i);
      this.#transport?.proceed(rx);
      if (port.txIdle) this.#transport?.proceed(tx);
    });
    this.#tell();
  }
  idle(index: number): boolean {
    if (index === CONTROL_RX) return this.#controlIdle;
    if (index === CONTROL_TX) return false;
    const port = this.#portOf(index);
    return port === undefined || (index % 2 === 0 ? port.rxIdle : port.txIdle);
  }
  process(index: number, queue: SplitQueue, limit: number): void {
    if (index === CONTROL_RX) return this.#sendControl(queue, limit);
    if (index === CONTROL_TX) return this.#takeControl(queue, limit);
    const port = this.#portOf(index);
    if (port === undefined) return;
    if (index % 2 === 0) this.#receive(port, index, queue, limit);
    else this.#transmit(port, index, queue, limit);
  }
  #portOf(index: number): State | undefined {
    const n = index < 2 ? 0 : (index >> 1) - 1;
    return this.#multiport || n === 0 ? this.#ports[n] : undefined;
  }
  #open(port: State, open: boolean): void {
    if (port.open === open) return;
    port.open = open;
    port.end.guest(open);
  }

  // --- bytes -------------------------------------------------------------------------------------------------------

  #receive(port: State, index: number, queue: SplitQueue, limit: number): void {
    port.rxIdle = true;
    if (!port.open) return; // 5.3.6.1: nobody would take it
    port.rxIdle = drain(port.end, limit, record => {
      const chain = queue.pop();
      if (chain === undefined) return undefined;
      const left = record.length - port.sent, part = Math.min(left, chain.writableLength);
      chain.write(0, record.subarray(port.sent, port.sent + part));
      this.#transport?.complete(index, chain, part);
      port.sent = part < left ? port.sent + part : 0;
      return part === left;
    });
    if (port.told.open && !port.end.host().open) { // the last bytes of somebody who is gone: now the guest may hear of it
      this.#compare(port);
      this.#tell();
    }
  }
  #transmit(port: State, index: number, queue: SplitQueue, limit: number): void {
    port.txIdle = false;
    for (let n = 0; n < limit; n++) {
      const chain = port.unsent ?? queue.pop();
      if (chain === undefined) return;
      while (port.taken < chain.readableLength) {
        const into = port.end.reserve(Math.min(PIECE, chain.readableLength - port.taken));
        if (into === undefined) {
          port.unsent = chain;
          port.txIdle = true;
          return;
        }
        chain.read(port.taken, into);
        port.end.commit();
        port.taken += into.length;
      }
      port.unsent = undefined;
      port.taken = 0;
      this.#transport?.complete(index, chain, 0);
    }
  }

  // --- control -----------------------------------------------------------------------------------------------------

  /** The size of the first port's window, for a driver that knows of one port only. */
  #takeSize(): void {
    const { columns, rows } = (this.#ports[0] as State).end.host();
    if (this.#view.getUint16(Config.cols, true) === columns && this.#view.getUint16(Config.rows, true) === rows) return;
    this.#view.setUint16(Config.cols, columns, true);
    this.#view.setUint16(Config.rows, rows, true);
    this.#transport?.configChanged();
  }
  /** Notes what the driver does not know yet of the host's end. */
  #compare(port: State): void {
    if (!port.ready) return;
    const now = port.end.host(), { told } = port;
    if (port.end.name === undefined && (now.columns !== told.columns || now.rows !== told.rows)) port.tell |= TELL.size;
    // who went away is only gone when the guest has all of its bytes
    if (now.open !== told.open && (now.open || port.end.next() === undefined)) port.tell |= TELL.open;
  }
  #tell(): void { if (this.#multiport) this.#transport?.proceed(CONTROL_RX); }
  #sendControl(queue: SplitQueue, limit: number): void {
    this.#controlIdle = true;
    for (let n = 0, id = 0; id < this.#ports.length; n++) {
      const port = this.#ports[id] as State;
      if (port.tell === 0) {
        id++;
        continue;
      }
      if (n >= limit) {
        this.#controlIdle = false;
        return;
      }
      const chain = queue.pop();
      if (chain === undefined) return;
      const message = this.#message(port, id);
      const fits = chain.writableLength >= message.length;
      if (!fits) this.#transport?.note("a buffer for a control message is too small for it");
      chain.write(0, fits ? message : new Uint8Array(0));
      this.#transport?.complete(CONTROL_RX, chain, fits ? message.length : 0);
    }
  }
  /** The first of what has to be told of a port. */
  #message(port: State, id: number): Uint8Array {
    const bit = port.tell & -port.tell, host = port.end.host();
    port.tell &= ~bit;
    const make = (event: number, value: number, ...more: number[]): Uint8Array => Uint8Array.of(id, 0, 0, 0, event, 0, value, 0, ...more);
    switch (bit) {
      case TELL.add: return make(VIRTIO_CONSOLE.PORT_ADD, 1);
      case TELL.console: return make(VIRTIO_CONSOLE.CONSOLE_PORT, 1);
      case TELL.name: return make(VIRTIO_CONSOLE.PORT_NAME, 1, ...new TextEncoder().encode(port.end.name));
      case TELL.size:
        port.told = { ...port.told, columns: host.columns, rows: host.rows };
        return make(VIRTIO_CONSOLE.RESIZE, 0, host.columns & 255, host.columns >> 8, host.rows & 255, host.rows >> 8);
      default:
        port.told = { ...port.told, open: host.open };
        return make(VIRTIO_CONSOLE.PORT_OPEN, host.open ? 1 : 0);
    }
  }
  #takeControl(queue: SplitQueue, limit: number): void {
    const bytes = new Uint8Array(CONTROL), view = new DataView(bytes.buffer);
    for (let n = 0; n < limit; n++) {
      const chain = queue.pop();
      if (chain === undefined) break;
      if (chain.read(0, bytes) && this.#multiport) this.#control(view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true));
      else this.#transport?.note("control message dropped: too short, or not negotiated");
      this.#transport?.complete(CONTROL_TX, chain, 0);
    }
    this.#tell();
  }
  #control(id: number, event: number, value: number): void {
    if (event === VIRTIO_CONSOLE.DEVICE_READY) {
      for (const port of this.#ports) port.tell |= value === 1 ? TELL.add : 0;
      return;
    }
    const port = this.#ports[id];
    if (port === undefined) return this.#transport?.note("control message for a port that is not there");
    if (event === VIRTIO_CONSOLE.PORT_READY && value === 1) {
      port.ready = true;
      port.told = CLOSED;
      port.tell |= port.end.name === undefined ? TELL.console : TELL.name;
      this.#compare(port);
    } else if (event === VIRTIO_CONSOLE.PORT_OPEN) {
      this.#open(port, value !== 0);
      this.#transport?.proceed(queuesOf(id)[0]);
    } else this.#transport?.note("control message of an unknown kind");
  }
}
/** 5.3.2: the queues of a port, what it receives and what it sends. */
const queuesOf = (port: number): readonly [rx: number, tx: number] => (port === 0 ? [0, 1] : [2 + 2 * port, 3 + 2 * port]);
