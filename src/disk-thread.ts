// src/disk-thread.ts — the thread that syncs disk images: the entry of a Worker; see host/syncer.ts.
// Lies beside main.ts: in the compiled executable a Worker's address is relative to the root of the entry points.
import { serveSyncs, type SyncerMessage } from "./host/syncer.ts";

addEventListener("message", event => {
  serveSyncs((event as MessageEvent<SyncerMessage>).data);
  process.exit(); // a Worker's own end
});
