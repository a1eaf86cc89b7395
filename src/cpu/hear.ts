// src/cpu/hear.ts — a core does what another core asks of it (domain.ts).
import { Request } from "./domain.ts";
import type { Cpu } from "./interpret/cpu.ts";

/** Serves one request. */
export function hear(cpu: Cpu, request: number, lo: number, hi: number, page: number): void {
  switch (request) {
    case Request.all: return cpu.flushTlb();
    case Request.nonGlobal: return cpu.flushTlbNonGlobal(false);
    case Request.page:
    case Request.pageLast: return cpu.flushTlbPage(lo, hi, request === Request.pageLast);
    case Request.line: return cpu.engine?.invalidateLine(page, lo);
    case Request.code: return cpu.engine?.invalidateAll();
    case Request.show:
      cpu.memory.show(lo * 4096, hi !== 0);
      return cpu.flushTlb();
    default: throw new Error(`there is no request ${request}`);
  }
}
