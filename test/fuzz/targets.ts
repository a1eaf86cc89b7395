// test/fuzz/targets.ts — what can be fuzzed: a name, and what one case of a seed does. A case throws when something is wrong:
// an exception that is no documented failure, bytes that are not the right ones, memory or time without bounds.
import { fuzzBlock, fuzzQueue } from "./block.ts";
import { netTargets } from "./net.ts";
import { fuzzP9 } from "./p9.ts";
import { fuzzQcow2 } from "./qcow2.ts";
import { fuzzBalloon, fuzzConsole, fuzzVsock } from "./streams.ts";

export const targets: Readonly<Record<string, (seed: number) => void>> = { queue: fuzzQueue, block: fuzzBlock, qcow2: fuzzQcow2, p9: fuzzP9, vsock: fuzzVsock, console: fuzzConsole, balloon: fuzzBalloon, ...netTargets };
