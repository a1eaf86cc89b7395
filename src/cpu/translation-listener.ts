// src/cpu/translation-listener.ts — what a core tells whoever makes something of its code and its translations.

/** Generated code: executes in the interpreter's place and hears of what may end its validity. */
export interface TranslationListener {
  /** As `execute` in hot.ts. */
  execute(limit: number, exact: boolean): number;
  /** How often it came out, and how many instructions it has translated: what may have left garbage. */
  readonly churn: number;
  flushAll(): void;
  flushNonGlobal(): void;
  /** TTBR0_EL1 or the ASID changed. */
  switchContext(): void;
  flushPage(lo: number, hi: number): void;
  invalidateLine(ramPage: number, offset: number): void;
  invalidateAll(): void;
}
