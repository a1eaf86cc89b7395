// test/cpu/mmu.test.ts — address translation of EL1&0 as loads, stores, fetches and AT see it: ARM DDI 0487, D8.
// TTBR1 maps the code, read-only and executable at both levels; TTBR0 is what is tested, with data accesses.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { CODE, Mode, RAM, RAM_SIZE, TestCore, VECTORS } from "./core.ts";

const EC = { instructionAbortLower: 0x20, instructionAbort: 0x21, dataAbortLower: 0x24, dataAbort: 0x25 };
/** Fault status codes without their level. */
const DFSC = { addressSize: 0, translation: 4, accessFlag: 8, permission: 0xc, external: 0x10, externalOnWalk: 0x14, alignment: 0x21 };
const WnR = 1 << 6, CM = 1 << 8;
const HIGH = 0xffff_ff80_0000_0000n;
const KERNEL_TABLE = RAM + 0x4000, TABLES = RAM + 0x10_0000, DATA = RAM + 0x200_0000;
const SCTLR = 0x30d0_0980, M = 1, A = 2, UCI = 1 << 26, DZE = 1 << 14, WXN = 1 << 19;
/** Descriptor bits. */
const AF = 1n << 10n, nG = 1n << 11n, USER = 1n << 6n, READ_ONLY = 1n << 7n, PXN = 1n << 53n, UXN = 1n << 54n, CONTIGUOUS = 1n << 52n, INNER = 3n << 8n;
const DEVICE = 1n << 2n; // MAIR attribute 1
const APTableNoEl0 = 1n << 61n, APTableReadOnly = 1n << 62n, PXNTable = 1n << 59n, UXNTable = 1n << 60n;
const PAN = 1 << 22;

type Granule = 12 | 14 | 16;
interface Regime { readonly granule: Granule; readonly bits: number }
const TG0 = { 12: 0, 14: 2, 16: 1 } as const;
const IPS_40 = 2n << 32n;
const startLevel = ({ granule, bits }: Regime): number => 4 - Math.ceil((bits - granule) / (granule - 3));
const shiftOf = (granule: Granule, level: number): number => (3 - level) * (granule - 3) + granule;

/** Translation tables of TTBR0, made as they are asked for. */
class Tables {
  readonly regime: Regime;
  readonly root: number;
  #next: number;
  readonly #core: TestCore;
  constructor(core: TestCore, regime: Regime, at = TABLES) {
    this.#core = core;
    this.regime = regime;
    this.root = at;
    this.#next = at + 0x1_0000;
  }
  /** The address of the descriptor of `va` at a level. `table` are bits of the table descriptors on the way. */
  entry(va: bigint, level: number, table = 0n): number {
    const { granule, bits } = this.regime;
    let base = this.root;
    for (let l = startLevel(this.regime); ; l++) {
      const width = l === startLevel(this.regime) ? bits - shiftOf(granule, l) : granule - 3;
      const index = Number((va >> BigInt(shiftOf(granule, l))) & ((1n << BigInt(width)) - 1n));
      const at = base + 8 * index;
      if (l === level) return at;
      let next = Number(this.#core.ram.getBigUint64(at - RAM, true) & 0xffff_ffff_f000n);
      if (next === 0) {
        next = this.#next;
        this.#next += 2 ** granule;
        this.#core.write64(at, BigInt(next) | 3n | table);
      }
      base = next;
    }
  }
  /** Maps a page (level 3) or block. */
  map(va: bigint, level: number, pa: number, attributes = 0n, table = 0n): this {
    this.#core.write64(this.entry(va, level, table), BigInt(pa) | (level === 3 ? 3n : 1n) | AF | attributes);
    return this;
  }
  unmap(va: bigint, level: number): this {
    this.#core.write64(this.entry(va, level), 0n);
    return this;
  }
}

let core: TestCore;
/** TCR_EL1 for a regime: TTBR1 is 4K and 39 bits. */
const tcr = ({ granule, bits }: Regime): bigint => BigInt(64 - bits) | BigInt(TG0[granule] << 14) | (25n << 16n) | (2n << 30n) | IPS_40;
/** Turns the MMU on with tables of TTBR0 that the test fills, and goes to the high half. */
function mmu(regime: Regime = { granule: 12, bits: 39 }, more: { readonly tcr?: bigint; readonly sctlr?: number; readonly asid?: number } = {}): Tables {
  const tables = new Tables(core, regime);
  core.msr("MAIR_EL1", 0x00ff).msr("TCR_EL1", tcr(regime) | (more.tcr ?? 0n));
  core.msr("TTBR0_EL1", BigInt(tables.root) | (BigInt(more.asid ?? 0) << 48n)).msr("TTBR1_EL1", KERNEL_TABLE);
  core.msr("SCTLR_EL1", SCTLR | M | (more.sctlr ?? 0));
  core.code = { pa: CODE, va: HIGH };
  core.set("VBAR_EL1", HIGH + BigInt(VECTORS - RAM));
  core.pc = HIGH;
  return tables;
}
const load = (va: bigint): TestCore => { core.forget().setX(1, va); return core.run(asm => asm.ldr("x0", "x1")); };
const store = (va: bigint): TestCore => { core.forget().setX(1, va); return core.run(asm => asm.str("x0", "x1")); };
const dfsc = (): number => core.iss & 0x3f;

beforeEach(() => {
  core = new TestCore();
  core.write64(KERNEL_TABLE, BigInt(RAM) | 1n | AF | USER | READ_ONLY);
});
afterEach(() => core[Symbol.dispose]());

describe("optional features", () => {
  test.each([16, 20, 24])("an address space of %d bits is walked from the last levels (FEAT_TTST)", bits => {
    const tables = mmu({ granule: 12, bits });
    tables.map(0x3000n, 3, DATA);
    core.write(DATA, 0x1234);
    expect(load(0x3000n).x(0)).toBe(0x1234n);
    load(1n << BigInt(bits));
    expect([core.ec, dfsc()]).toEqual([EC.dataAbort, DFSC.translation]);
  });
  test("without FEAT_TTST it is a translation fault of level 0", () => {
    core[Symbol.dispose]();
    core = new TestCore(undefined, "v8.0");
    core.write64(KERNEL_TABLE, BigInt(RAM) | 1n | AF | USER | READ_ONLY);
    mmu({ granule: 12, bits: 24 });
    load(0x3000n);
    expect([core.ec, dfsc()]).toEqual([EC.dataAbort, DFSC.translation]);
  });
});

describe("MMU off", () => {
  test("addresses are physical, data is Device memory: a misaligned access faults", () => {
    core.write(DATA, 0x1234);
    expect(load(BigInt(DATA)).x(0)).toBe(0x1234n);
    load(BigInt(DATA + 1));
    expect([core.ec, dfsc(), core.get("FAR_EL1")]).toEqual([EC.dataAbort, DFSC.alignment, BigInt(DATA + 1)]);
  });
  test("an address of more than 40 bits is an address size fault of level 0", () => {
    load(1n << 40n);
    expect([core.ec, dfsc()]).toEqual([EC.dataAbort, DFSC.addressSize]);
  });
});

// Every granule, input size and level of mapping
const regimes: { granule: Granule; bits: number; level: number; name: string }[] = [];
for (const granule of [12, 14, 16] as const) {
  for (const bits of [25, 30, 36, 39, 40, 42, 44, 47, 48]) {
    for (let level = Math.max(startLevel({ granule, bits }), granule === 12 ? 1 : 2); level <= 3; level++) {
      regimes.push({ granule, bits, level, name: `${2 ** (granule - 10)}K granule, ${bits}-bit addresses, mapping at level ${level}` });
    }
  }
}
describe.each(regimes)("$name", ({ granule, bits, level }) => {
  const size = 2 ** shiftOf(granule, level);
  // the last mapping of the address range, at an offset in it; the physical side is aligned to the mapping
  const va = (1n << BigInt(bits)) - BigInt(size);
  const pa = Math.floor((RAM + RAM_SIZE - 1) / size) * size;
  const offset = size - 16;

  test("translates the whole mapping", () => {
    mmu({ granule, bits }).map(va, level, pa);
    core.write(pa + offset, 0xcafe);
    const low = Math.max(pa, RAM + 0x8000); // RAM begins with the code
    core.write(low, 0xbabe);
    expect(load(va + BigInt(offset)).x(0)).toBe(0xcafen);
    expect(load(va + BigInt(low - pa)).x(0)).toBe(0xbaben);
    expect(core.quiet).toBe(true);
  });
  test("without the valid bit, the access flag, or the right to write: a fault of this level", () => {
    const tables = mmu({ granule, bits }).unmap(va, level);
    store(va + 8n);
    expect([core.ec, core.iss, core.get("FAR_EL1")]).toEqual([EC.dataAbort, DFSC.translation | level | WnR, va + 8n]);
    core.write64(tables.entry(va, level), BigInt(pa) | (level === 3 ? 3n : 1n));
    load(va + 8n);
    expect([core.ec, core.iss]).toEqual([EC.dataAbort, DFSC.accessFlag | level]);
    tables.map(va, level, pa, READ_ONLY);
    store(va + BigInt(offset));
    expect([core.ec, core.iss, core.get("FAR_EL1")]).toEqual([EC.dataAbort, DFSC.permission | level | WnR, va + BigInt(offset)]);
    expect(load(va + BigInt(offset)).quiet).toBe(true);
  });
  test("an output of more bits than TCR.IPS allows: an address size fault of this level", () => {
    mmu({ granule, bits }).map(va, level, 0, BigInt(1) << 40n);
    load(va);
    expect([core.ec, core.iss]).toEqual([EC.dataAbort, DFSC.addressSize | level]);
  });
  test("the address behind the range, and one with other high bits, is a translation fault of level 0", () => {
    mmu({ granule, bits }).map(va, level, pa);
    for (const bad of [1n << BigInt(bits), va | (1n << 54n), va | (1n << 60n)]) {
      load(bad);
      expect([core.ec, core.iss, core.get("FAR_EL1")]).toEqual([EC.dataAbort, DFSC.translation, bad]);
    }
  });
});

describe("descriptors", () => {
  test("a block where the granule has none is a translation fault: 4K level 0, 16K and 64K level 1", () => {
    for (const [granule, bits, level] of [[12, 48, 0], [14, 47, 1], [16, 48, 1]] as const) {
      const tables = mmu({ granule, bits });
      core.write64(tables.entry(0n, level), BigInt(RAM) | 1n | AF);
      load(0n);
      expect([granule, core.iss]).toEqual([granule, DFSC.translation | level]);
      core.code = { pa: CODE, va: BigInt(CODE) };
      core[Symbol.dispose]();
      core = new TestCore();
      core.write64(KERNEL_TABLE, BigInt(RAM) | 1n | AF | USER | READ_ONLY);
    }
  });
  test("bits 1..0 = 01 at level 3 is reserved: a translation fault", () => {
    const tables = mmu();
    core.write64(tables.entry(0x5000n, 3), BigInt(DATA) | 1n | AF);
    load(0x5000n);
    expect(core.iss).toBe(DFSC.translation | 3);
  });
  test("a table that points to itself ends at level 3, as a page", () => {
    const tables = mmu({ granule: 12, bits: 48 });
    core.write64(tables.root, BigInt(tables.root) | 3n | AF);
    core.write(tables.root + 16, 0x77);
    expect(load(16n).x(0)).toBe(0x77n);
    expect(core.quiet).toBe(true);
  });
  test("the last table of RAM is used to its last entry", () => {
    const last = RAM + RAM_SIZE - 4096;
    const tables = mmu({ granule: 12, bits: 39 });
    core.write64(tables.entry(0n, 1), BigInt(last) | 3n);
    core.write64(last + 8 * 511, BigInt(DATA) | 1n | AF);
    core.write(DATA, 0x99);
    expect(load(511n << 21n).x(0)).toBe(0x99n);
  });
  test.each([0, 1, 2, 3])("a table of level %d outside RAM is an external abort on the walk of that level", level => {
    const tables = mmu({ granule: 12, bits: 48 });
    const hole = 0x900_0000;
    if (level === 0) core.set("TTBR0_EL1", hole);
    else core.write64(tables.entry(0n, level - 1), BigInt(hole) | 3n);
    load(0n);
    expect([core.ec, core.iss, core.exit.kind]).toEqual([EC.dataAbort, DFSC.externalOnWalk | level, "budget"]);
  });
  test("a table address beyond TCR.IPS is an address size fault", () => {
    const tables = mmu({ granule: 12, bits: 48 });
    core.write64(tables.entry(0n, 1), (1n << 41n) | 3n);
    load(0n);
    expect(core.iss).toBe(DFSC.addressSize | 1);
  });
  test("the contiguous bit changes nothing but the reach of a TLBI", () => {
    const tables = mmu();
    for (let i = 0; i < 16; i++) {
      tables.map(BigInt(i * 4096), 3, DATA + i * 4096, CONTIGUOUS);
      core.write(DATA + i * 4096, 0x100 + i);
    }
    for (let i = 0; i < 16; i++) expect(load(BigInt(i * 4096)).x(0)).toBe(BigInt(0x100 + i));
  });
  test("a contiguous bit on one entry alone does not lead anywhere else", () => {
    mmu().map(0x3000n, 3, DATA + 0x3000, CONTIGUOUS);
    load(0x4000n);
    expect(core.iss).toBe(DFSC.translation | 3);
  });
});

describe("permissions", () => {
  const page = 0x7000n;
  /** What EL1 and EL0 may do with a page: r, w; from the faults they take. */
  function rights(): string {
    const attempt = (go: (va: bigint) => TestCore): boolean => {
      const quiet = go(page).quiet;
      if (!quiet) expect(dfsc()).toBe(DFSC.permission | 3);
      return quiet;
    };
    const el1 = (attempt(load) ? "r" : "-") + (attempt(store) ? "w" : "-");
    core.enter(Mode.EL0t);
    const r0 = attempt(load) ? "r" : "-";
    core.enter(Mode.EL0t);
    const w0 = attempt(store) ? "w" : "-";
    return `${el1} ${r0}${w0}`;
  }
  /** The same for fetching. */
  function executes(): string {
    const attempt = (mode: number): string => {
      core.forget().set("SPSR_EL1", mode | 0x3c0);
      core.set("ELR_EL1", page);
      core.run(asm => asm.eret());
      core.step();
      if (core.quiet) return "x";
      expect([core.ec, core.iss, core.get("FAR_EL1")]).toEqual([mode === 0 ? EC.instructionAbortLower : EC.instructionAbort, DFSC.permission | 3, page]);
      return "-";
    };
    core.write(DATA, 0xd503_201f); // NOP
    const el1 = attempt(Mode.EL1h);
    return `${el1} ${attempt(Mode.EL0t)}`;
  }
  // AP[2:1]
  test.each([
    [0n, "rw --"], [USER, "rw rw"], [READ_ONLY, "r- --"], [USER | READ_ONLY, "r- r-"],
  ] as const)("AP %d gives EL1 and EL0 %s", (ap, expected) => {
    mmu().map(page, 3, DATA, ap);
    expect(rights()).toBe(expected);
  });
  test.each([
    [APTableNoEl0, "rw --"], [APTableReadOnly, "r- r-"], [APTableNoEl0 | APTableReadOnly, "r- --"],
  ] as const)("a table on the way takes rights away: %d leaves %s of all", (table, expected) => {
    mmu().map(page, 3, DATA, USER, table);
    expect(rights()).toBe(expected);
  });
  test.each([
    [0n, 0n, "x x"], [PXN, 0n, "- x"], [UXN, 0n, "x -"], [USER, 0n, "- x"], [USER | READ_ONLY, 0n, "x x"], [USER | READ_ONLY | PXN | UXN, 0n, "- -"],
    [USER | READ_ONLY, PXNTable, "- x"], [USER | READ_ONLY, UXNTable, "x -"],
  ] as const)("attributes %d under table %d execute at EL1 and EL0: %s", (attributes, table, expected) => {
    mmu().map(page, 3, DATA, attributes, table);
    expect(executes()).toBe(expected);
  });
  test.each([
    [0n, "- x"], [READ_ONLY, "x x"], [USER, "- -"], [USER | READ_ONLY, "x x"],
  ] as const)("with SCTLR.WXN what a level can write it cannot execute: %d gives %s", (attributes, expected) => {
    mmu(undefined, { sctlr: WXN }).map(page, 3, DATA, attributes);
    expect(executes()).toBe(expected);
  });
  test("PSTATE.PAN keeps EL1 from EL0's pages, at once, and LDTR and STTR not", () => {
    mmu().map(page, 3, DATA, USER);
    expect(load(page).quiet).toBe(true); // the page is in the TLB now
    core.run(asm => asm.MSR_imm({ o: 0, k: 1, p: 4 }));
    load(page);
    expect([core.ec, core.iss]).toEqual([EC.dataAbort, DFSC.permission | 3]);
    store(page);
    expect(core.iss).toBe(DFSC.permission | 3 | WnR);
    core.forget().run(asm => asm.LDTR({ g: 3, N: 1, t: 0 }).STTR({ g: 3, N: 1, t: 0 }));
    expect(core.quiet).toBe(true);
    core.run(asm => asm.MSR_imm({ o: 0, k: 0, p: 4 }));
    expect(load(page).quiet).toBe(true);
  });
  test("PAN does not stop EL0, nor EL1 from pages of its own", () => {
    mmu().map(page, 3, DATA, USER).map(0x8000n, 3, DATA);
    core.enter(Mode.EL1h, PAN);
    expect(load(0x8000n).quiet).toBe(true);
    core.enter(Mode.EL0t, PAN);
    expect(load(page).quiet).toBe(true);
  });
  test("LDTR and STTR at EL1 have EL0's rights, and report an abort from EL1", () => {
    mmu().map(page, 3, DATA, 0n).map(0x8000n, 3, DATA, USER | READ_ONLY);
    core.forget().setX(1, page);
    core.run(asm => asm.LDTR({ g: 3, N: 1, t: 0 }));
    expect([core.ec, core.iss]).toEqual([EC.dataAbort, DFSC.permission | 3]);
    core.forget().setX(1, 0x8000);
    core.run(asm => asm.LDTR({ g: 3, N: 1, t: 0 }));
    expect(core.quiet).toBe(true);
    core.run(asm => asm.STTR({ g: 3, N: 1, t: 0 }));
    expect([core.ec, core.iss]).toEqual([EC.dataAbort, DFSC.permission | 3 | WnR]);
    expect(load(page).quiet).toBe(true); // and what follows has EL1's again
  });
});

describe("TCR_EL1", () => {
  test("bit 55 chooses the table, whatever is above it", () => {
    mmu(undefined, { tcr: 3n << 37n }).map(0x7000n, 3, DATA); // TBI0, TBI1
    core.write(DATA, 0x10);
    core.write(RAM + 0x3000, 0x20);
    expect(load(0x7000n | (0xffn << 56n)).x(0)).toBe(0x10n);
    expect(load((HIGH + 0x3000n) & ~(0xffn << 56n)).x(0)).toBe(0x20n);
    expect(core.quiet).toBe(true);
  });
  test("TBI ignores the top byte of data addresses; FAR has it; without TBI it is a translation fault", () => {
    mmu(undefined, { tcr: 1n << 37n }).map(0x7000n, 3, DATA);
    expect(load(0x5a00_0000_0000_7000n).quiet).toBe(true);
    load(0x5a00_0000_0000_8000n);
    expect([core.iss, core.get("FAR_EL1")]).toEqual([DFSC.translation | 3, 0x5a00_0000_0000_8000n]);
    core.msr("TCR_EL1", core.get("TCR_EL1") & ~(1n << 37n));
    load(0x5a00_0000_0000_7000n);
    expect(core.iss).toBe(DFSC.translation);
  });
  test("a branch to a tagged address loses the tag", () => {
    mmu(undefined, { tcr: 1n << 37n });
    core.setX(1, 0x5a00_0000_0000_7000n);
    core.run(asm => asm.BR({ n: 1 }));
    expect(core.pc).toBe(0x7000n);
  });
  test("EPD0 forbids walks from TTBR0", () => {
    mmu(undefined, { tcr: 1n << 7n }).map(0x7000n, 3, DATA);
    load(0x7000n);
    expect(core.iss).toBe(DFSC.translation);
  });
  test("E0PD0 makes every address of TTBR0 a translation fault for EL0, LDTR included, and for nobody else", () => {
    mmu(undefined, { tcr: 1n << 55n }).map(0x7000n, 3, DATA, USER);
    expect(load(0x7000n).quiet).toBe(true);
    core.run(asm => asm.LDTR({ g: 3, N: 1, t: 0 }));
    expect([core.ec, core.iss]).toEqual([EC.dataAbort, DFSC.translation]);
    core.enter(Mode.EL0t);
    load(0x7000n);
    expect([core.ec, core.iss]).toEqual([EC.dataAbortLower, DFSC.translation]);
  });
  test("E0PD1 does so for TTBR1: EL0 cannot even fetch there", () => {
    mmu().map(0x7000n, 3, DATA);
    expect(core.forget().enter(Mode.EL0t).run(asm => asm.movz("x0", 1)).quiet).toBe(true);
    core.leave().msr("TCR_EL1", core.get("TCR_EL1") | (1n << 56n)).forget().enter(Mode.EL0t);
    core.step();
    expect([core.ec, core.iss]).toEqual([EC.instructionAbortLower, DFSC.translation]);
  });
  test.each([15, 49, 63])("an input size that there is not (TnSZ %d) is a translation fault of level 0", tsz => {
    mmu().map(0n, 1, RAM);
    core.msr("TCR_EL1", (core.get("TCR_EL1") & ~63n) | BigInt(tsz));
    load(0n);
    expect(core.iss).toBe(DFSC.translation);
  });
});

// A mapping is used, changed in memory, used again (stale), dropped by one instruction, and used again (new).
describe("TLB maintenance", () => {
  const va = 0x1234_5000n;
  const [OLD, NEW] = [DATA, DATA + 0x1_0000];
  beforeEach(() => { core.write(OLD, 1); core.write(NEW, 2); });
  /** A TLBI's operand: ASID and page number. */
  const operand = (address: bigint, asid = 0): bigint => (BigInt(asid) << 48n) | (address >> 12n);
  const forms = [
    ["VMALLE1", 0], ["VAE1", 1], ["ASIDE1", 2], ["VAAE1", 3], ["VALE1", 5], ["VAALE1", 7],
  ] as const;
  const all = forms.flatMap(([name, op2]) => [[name, 7, op2], [`${name}IS`, 3, op2]] as const);

  test.each(all)("TLBI %s drops a page of this address space", (_name, crm, op2) => {
    const tables = mmu(undefined, { asid: 5 }).map(va, 3, OLD, nG);
    expect(load(va).x(0)).toBe(1n);
    tables.map(va, 3, NEW, nG);
    expect(load(va).x(0)).toBe(1n); // the old translation is still used
    core.sys(0, 8, crm, op2, operand(va, 5));
    expect(load(va).x(0)).toBe(2n);
  });
  test.each(all)("TLBI %s is UNDEFINED at EL0", (_name, crm, op2) => {
    mmu();
    core.enter(Mode.EL0t).forget().sys(0, 8, crm, op2, operand(va));
    expect(core.ec).toBe(0);
  });
  test.each(all.filter(([name]) => !name.startsWith("ASID")))("TLBI %s drops a global page too", (_name, crm, op2) => {
    const tables = mmu().map(va, 3, OLD);
    expect(load(va).x(0)).toBe(1n);
    tables.map(va, 3, NEW);
    core.sys(0, 8, crm, op2, operand(va, 9));
    expect(load(va).x(0)).toBe(2n);
  });
  test.each([[12, 2], [12, 1], [14, 2], [16, 2]] as const)("TLBI VAE1 drops a block wherever in it the address lies (granule 2^%d, level %d)", (granule, level) => {
    const size = 2 ** shiftOf(granule, level);
    const base = BigInt(size);
    const pa = Math.floor(OLD / size) * size;
    const tables = mmu({ granule, bits: 48 }).map(base, level, pa);
    const at = base + BigInt(OLD - pa);
    expect(load(at).x(0)).toBe(1n);
    tables.unmap(base, level);
    expect(load(at).quiet).toBe(true);
    core.sys(0, 8, 7, 1, operand(base + BigInt(size - 4096)));
    load(at);
    expect(core.iss).toBe(DFSC.translation | level);
  });
  test("TLBI VAE1 of one page of a contiguous range drops all sixteen", () => {
    const tables = mmu();
    for (let i = 0n; i < 16n; i++) tables.map(i << 12n, 3, OLD + Number(i) * 4096, CONTIGUOUS);
    for (let i = 0n; i < 16n; i++) expect(load(i << 12n).quiet).toBe(true);
    for (let i = 0n; i < 16n; i++) tables.unmap(i << 12n, 3);
    core.sys(0, 8, 7, 1, operand(7n << 12n));
    for (let i = 0n; i < 16n; i++) expect(load(i << 12n).quiet).toBe(false);
  });
  test("TLBI VAE1 leaves other pages alone", () => {
    const tables = mmu().map(va, 3, OLD).map(va + 0x1000n, 3, OLD);
    load(va);
    load(va + 0x1000n);
    tables.map(va, 3, NEW).map(va + 0x1000n, 3, NEW);
    core.sys(0, 8, 7, 1, operand(va));
    expect([load(va).x(0), load(va + 0x1000n).x(0)]).toEqual([2n, 1n]);
  });
  test("it reaches the instruction side and EL0's view too", () => {
    const tables = mmu().map(va, 3, OLD, USER | READ_ONLY | nG);
    core.write(OLD, 0xd280_0020); // MOV x0, #1
    core.write(NEW, 0xd280_0040); // MOV x0, #2
    const execute = (): bigint => {
      core.set("SPSR_EL1", Mode.EL0t);
      core.set("ELR_EL1", va);
      core.run(asm => asm.eret());
      core.step();
      const value = core.x(0);
      core.leave();
      return value;
    };
    expect(execute()).toBe(1n);
    tables.map(va, 3, NEW, USER | READ_ONLY | nG);
    expect(execute()).toBe(1n);
    core.sys(0, 8, 7, 1, operand(va));
    expect(execute()).toBe(2n);
  });
  test("a change of the ASID parts the address spaces: what is not global is walked again, what is global stays", () => {
    const tables = mmu(undefined, { asid: 1 }).map(va, 3, OLD, nG).map(va + 0x1000n, 3, OLD);
    load(va);
    load(va + 0x1000n);
    tables.map(va, 3, NEW, nG).map(va + 0x1000n, 3, NEW);
    core.msr("TTBR0_EL1", BigInt(tables.root) | (2n << 48n));
    expect([load(va).x(0), load(va + 0x1000n).x(0)]).toEqual([2n, 1n]);
  });
  test("another table under the same ASID takes effect for what is not global", () => {
    mmu(undefined, { asid: 1 }).map(va, 3, OLD, nG);
    load(va);
    const other = new Tables(core, { granule: 12, bits: 39 }, TABLES + 0x80_0000).map(va, 3, NEW, nG);
    core.msr("TTBR0_EL1", BigInt(other.root) | (1n << 48n));
    expect(load(va).x(0)).toBe(2n);
  });
  test("with TCR.A1 the ASID is TTBR1's", () => {
    const tables = mmu(undefined, { tcr: 1n << 22n }).map(va, 3, OLD, nG);
    load(va);
    tables.map(va, 3, NEW, nG);
    core.msr("TTBR1_EL1", BigInt(KERNEL_TABLE) | (3n << 48n));
    expect(load(va).x(0)).toBe(2n);
  });
  test("a fault is never remembered", () => {
    const tables = mmu();
    expect(load(va).quiet).toBe(false);
    tables.map(va, 3, OLD);
    expect(load(va).x(0)).toBe(1n);
  });
  test("a store to a page that only a load has used is checked on its own", () => {
    mmu().map(va, 3, OLD, READ_ONLY);
    expect(load(va).quiet).toBe(true);
    store(va);
    expect(core.iss).toBe(DFSC.permission | 3 | WnR);
  });
});

describe("AT", () => {
  const at = (op2: number, va: bigint, crm = 8): bigint => { core.forget().sys(0, 7, crm, op2, va); return core.mrs("PAR_EL1"); };
  const [S1E1R, S1E1W, S1E0R, S1E0W] = [0, 1, 2, 3];
  const failed = (fst: number): bigint => BigInt((1 << 11) | (fst << 1) | 1);

  test("success: the page's physical address, shareability and memory attributes", () => {
    mmu().map(0x7000n, 3, DATA, INNER).map(0x8000n, 3, DATA, DEVICE);
    expect(at(S1E1R, 0x7abcn)).toBe(BigInt(DATA) | (1n << 11n) | (3n << 7n) | (0xffn << 56n));
    expect(at(S1E1R, 0x8000n)).toBe(BigInt(DATA) | (1n << 11n) | (2n << 7n));
    expect(core.quiet).toBe(true);
  });
  test("each form asks for its own right; a failure is in PAR_EL1 and no exception", () => {
    mmu().map(0x7000n, 3, DATA, READ_ONLY);
    const results = [S1E1R, S1E1W, S1E0R, S1E0W].map(op2 => at(op2, 0x7000n) & 0xfffn);
    expect(results).toEqual([1n << 11n, failed(DFSC.permission | 3), failed(DFSC.permission | 3), failed(DFSC.permission | 3)]);
    expect(at(S1E1R, 0x9000n)).toBe(failed(DFSC.translation | 3));
    expect(core.quiet).toBe(true);
  });
  test("S1E1R does not look at PAN, S1E1RP and S1E1WP do", () => {
    mmu().map(0x7000n, 3, DATA, USER);
    core.run(asm => asm.MSR_imm({ o: 0, k: 1, p: 4 }));
    expect(at(S1E1R, 0x7000n) & 1n).toBe(0n);
    expect([at(0, 0x7000n, 9), at(1, 0x7000n, 9)]).toEqual([failed(DFSC.permission | 3), failed(DFSC.permission | 3)]);
  });
  test("an external abort on the walk is taken, with CM and WnR", () => {
    const tables = mmu();
    core.write64(tables.entry(0n, 1), 0x900_0000n | 3n);
    at(S1E1R, 0n);
    expect([core.ec, core.iss]).toEqual([EC.dataAbort, DFSC.externalOnWalk | 2 | WnR | CM]);
  });
  test("with the MMU off it is the identity, as Device memory", () => {
    expect(at(S1E1R, BigInt(DATA))).toBe(BigInt(DATA) | (1n << 11n) | (2n << 7n));
  });
  test("AT is UNDEFINED at EL0", () => {
    core.enter(Mode.EL0t).forget().sys(0, 7, 8, 0, 0);
    expect(core.ec).toBe(0);
  });
});

describe("alignment and page borders", () => {
  const border = 0x8000n;
  test("normal memory: a misaligned access is whole, across a page border too", () => {
    mmu().map(0x7000n, 3, DATA).map(border, 3, DATA + 0x9000);
    core.setX(0, 0x1122_3344_5566_7788n);
    for (let i = 1n; i < 8n; i++) {
      expect(store(border - i).quiet).toBe(true);
      core.setX(0, 0);
      expect(load(border - i).x(0)).toBe(0x1122_3344_5566_7788n);
    }
    expect(core.ram.getUint8(DATA + 0xfff - RAM)).toBe(0x22);
    expect(core.ram.getUint8(DATA + 0x9000 - RAM)).toBe(0x11);
  });
  test("a store whose second page faults writes nothing, and FAR is the second page", () => {
    mmu().map(0x7000n, 3, DATA).map(border, 3, DATA + 0x1000, READ_ONLY);
    core.setX(0, 0xffff_ffff_ffff_ffffn);
    store(border - 4n);
    expect([core.iss, core.get("FAR_EL1")]).toEqual([DFSC.permission | 3 | WnR, border]);
    expect(core.read(DATA + 0xffc)).toBe(0);
  });
  test("a load whose second page faults changes no register", () => {
    mmu().map(0x7000n, 3, DATA);
    core.setX(0, 0x55);
    load(border - 4n);
    expect([core.iss, core.get("FAR_EL1"), core.x(0)]).toEqual([DFSC.translation | 3, border, 0x55n]);
  });
  test("a pair that loads its own base leaves it for the handler when the second half faults", () => {
    mmu().map(0x7000n, 3, DATA);
    core.forget().setX(1, border - 8n);
    core.run(asm => asm.LDP_off({ g: 1, N: 1, t: 1, u: 2 }));
    expect([core.iss, core.get("FAR_EL1"), core.x(1)]).toEqual([DFSC.translation | 3, border, border - 8n]);
  });
  test("Device memory: a misaligned access faults, across a page border too", () => {
    mmu().map(0x7000n, 3, DATA, DEVICE).map(border, 3, DATA + 0x1000, DEVICE);
    for (const at of [0x7001n, border - 4n]) {
      load(at);
      expect([core.ec, core.iss, core.get("FAR_EL1")]).toEqual([EC.dataAbort, DFSC.alignment, at]);
      store(at);
      expect([core.ec, core.iss, core.get("FAR_EL1")]).toEqual([EC.dataAbort, DFSC.alignment | WnR, at]);
    }
  });
  test("SCTLR.A: every misaligned access faults, before translation", () => {
    mmu(undefined, { sctlr: A }).map(0x7000n, 3, DATA);
    load(0x7004n);
    expect(core.iss).toBe(DFSC.alignment);
    load(0x9001n); // not mapped
    expect(core.iss).toBe(DFSC.alignment);
    expect(load(0x7008n).quiet).toBe(true);
    core.forget().setX(1, 0x7004);
    core.run(asm => asm.LDP_off({ g: 0, N: 1, t: 2, u: 3 })); // pairs: each element
    expect(core.quiet).toBe(true);
    core.set("CPACR_EL1", 3 << 20);
    core.forget().setX(1, 0x7008);
    core.run(asm => asm.emit("LDR_v_imm", { g: 0, q: 1, N: 1, x: 0 } as never)); // a vector: 16 bytes
    expect(core.iss).toBe(DFSC.alignment);
  });
  test("setting SCTLR.A reaches pages that are in use", () => {
    mmu().map(0x7000n, 3, DATA);
    expect(load(0x7001n).quiet).toBe(true);
    core.msr("SCTLR_EL1", SCTLR | M | A);
    load(0x7001n);
    expect(core.iss).toBe(DFSC.alignment);
  });
  test("load exclusive, atomics and acquire/release must be aligned whatever SCTLR.A says", () => {
    mmu().map(0x7000n, 3, DATA);
    core.setX(1, 0x7004);
    for (const [name, write] of [["LDXR", 0], ["LDAR", 0], ["STLR", WnR], ["LDADD", WnR], ["CAS", WnR], ["SWP", WnR]] as const) {
      core.forget().run(asm => asm.emit(name, { g: 3, N: 1, t: 0, s: 2 } as never));
      expect([name, core.iss]).toEqual([name, DFSC.alignment | write]);
    }
  });
  test("a fetch runs on across a page border to a page elsewhere", () => {
    mmu().map(0x7000n, 3, DATA, READ_ONLY).map(border, 3, DATA + 0x9000, READ_ONLY);
    core.write(DATA + 0xffc, 0xd280_0020); // MOV x0, #1
    core.write(DATA + 0x9000, 0x9100_0400); // ADD x0, x0, #1
    core.forget().pc = border - 4n;
    core.step(2);
    expect([core.x(0), core.quiet]).toEqual([2n, true]);
  });
});

describe("cache maintenance", () => {
  const [IVAU, ZVA, CVAC, IVAC] = [[3, 5, 1], [3, 4, 1], [3, 10, 1], [0, 6, 1]] as const;
  const dc = ([op1, crm, op2]: readonly [number, number, number], va: bigint): TestCore => core.forget().sys(op1, 7, crm, op2, va);

  test("DC ZVA zeroes the 64 bytes around the address", () => {
    mmu().map(0x7000n, 3, DATA);
    for (let at = DATA; at < DATA + 192; at += 4) core.write(at, 0xffff_ffff);
    expect(dc(ZVA, 0x7057n).quiet).toBe(true);
    expect([0, 60, 64, 124, 128].map(at => core.read(DATA + at))).toEqual([0xffff_ffff, 0xffff_ffff, 0, 0, 0xffff_ffff]);
  });
  test("DC ZVA on Device memory is an alignment fault; so it is with the MMU off", () => {
    mmu().map(0x7000n, 3, 0x900_0000, DEVICE).map(0x8000n, 3, DATA, DEVICE);
    for (const va of [0x7000n, 0x8000n]) {
      dc(ZVA, va);
      expect([core.ec, core.iss, core.get("FAR_EL1"), core.exit.kind]).toEqual([EC.dataAbort, DFSC.alignment | WnR, va, "budget"]);
    }
    core[Symbol.dispose]();
    core = new TestCore();
    dc(ZVA, BigInt(DATA));
    expect(core.iss).toBe(DFSC.alignment | WnR);
  });
  test("DC ZVA to a read-only page is a permission fault that says write, and not cache maintenance", () => {
    mmu().map(0x7000n, 3, DATA, READ_ONLY);
    dc(ZVA, 0x7008n);
    expect([core.iss, core.get("FAR_EL1")]).toEqual([DFSC.permission | 3 | WnR, 0x7008n]);
  });
  test("at EL0 DC ZVA needs SCTLR.DZE, the others SCTLR.UCI; DCZID_EL0.DZP tells", () => {
    mmu().map(0x7000n, 3, DATA, USER);
    core.enter(Mode.EL0t);
    expect(core.mrs("DCZID_EL0")).toBe(0x14n);
    for (const op of [ZVA, CVAC, IVAU]) {
      dc(op, 0x7000n);
      expect(core.ec).toBe(0x18);
      core.enter(Mode.EL0t);
    }
    core.leave().msr("SCTLR_EL1", SCTLR | M | DZE | UCI).enter(Mode.EL0t);
    expect(core.mrs("DCZID_EL0")).toBe(4n);
    for (const op of [ZVA, CVAC, IVAU]) expect(dc(op, 0x7000n).quiet).toBe(true);
  });
  test("an address that does not translate faults with CM and WnR, at EL1 and at EL0", () => {
    mmu(undefined, { sctlr: UCI }).map(0x7000n, 3, DATA);
    for (const op of [IVAU, CVAC, IVAC]) {
      dc(op, 0x9000n);
      expect([core.ec, core.iss, core.get("FAR_EL1")]).toEqual([EC.dataAbort, DFSC.translation | 3 | CM | WnR, 0x9000n]);
    }
    core.enter(Mode.EL0t);
    dc(CVAC, 0x7000n);
    expect([core.ec, core.iss]).toEqual([EC.dataAbortLower, DFSC.permission | 3 | CM | WnR]);
  });
  test("DC IVAC needs the right to write, DC CVAC does not; PAN stops neither", () => {
    mmu().map(0x7000n, 3, DATA, READ_ONLY | USER);
    core.run(asm => asm.MSR_imm({ o: 0, k: 1, p: 4 }));
    dc(IVAC, 0x7000n);
    expect(core.iss).toBe(DFSC.permission | 3 | CM | WnR);
    expect(dc(CVAC, 0x7000n).quiet).toBe(true);
    core.enter(Mode.EL0t, 0);
    dc(IVAC, 0x7000n);
    expect(core.ec).toBe(0);
  });
  test("code that changed is seen after IC IVAU", () => {
    mmu().map(0x7000n, 3, DATA, 0n);
    const execute = (): bigint => { core.pc = 0x7000n; core.step(); return core.x(0); };
    core.write(DATA, 0xd280_0020);
    expect(execute()).toBe(1n);
    core.setX(0, 0xd280_0040);
    core.setX(1, 0x7000);
    core.run(asm => asm.str("x0", "x1", 0, 4));
    dc(IVAU, 0x7000n);
    core.run(asm => asm.isb());
    expect(execute()).toBe(2n);
  });
});
