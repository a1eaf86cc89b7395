// src/failure.ts — what went wrong on the host's or the user's side: one line what and why, one hint, one exit code.
// A guest's mistake is never a Failure; see docs/design.md.

/** Exit codes of `hv` (docs/design.md, "stopping"). */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  unsupported: 3,
  notFound: 4,
  busy: 5,
  timeout: 6,
  guestReset: 7,
  internal: 125,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * A failure that a user can act on. `message` says what and why in one line and names the file or flag,
 * `hint` says what to do, `code` is stable ("HV-IMAGE-MAGIC"), `exit` is the process's exit code.
 */
export class Failure extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly exit: number;
  constructor(code: string, message: string, options: { hint?: string; exit?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "Failure";
    this.code = code;
    this.hint = options.hint;
    this.exit = options.exit ?? ExitCode.usage;
  }
}
