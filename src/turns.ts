// src/turns.ts — how cores that share a thread take turns: the machine's thread (machine/machine.ts), and others (hypervisor/mailbox.ts).
import type { Clock } from "../devices/device.ts";

/** Instructions a core runs before the next one has its turn. */
export const TURN = 20_000;
/** What an exit costs of a turn: whoever has it keeps it meanwhile. */
export const EXIT_CHARGE = 500;
/** And no longer than that all of them have theirs so often: instructions may take long. */
const ROUNDS_A_SECOND = 500;

/** The tick at which a turn of one of `cores` that begins now ends at the latest. */
export const turnEnd = (clock: Clock, cores: number): number => clock.ticks() + clock.frequency / (ROUNDS_A_SECOND * cores);
