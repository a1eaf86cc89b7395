// src/disk-thread.ts — threads that sync disk images, or copy from and to them: the entry of a Worker; see host/syncer.ts, host/transfers.ts.
// Lies beside main.ts: in the compiled executable a Worker's address is relative to the root of the entry points.
import { serveSyncs, type SyncerMessage } from "./host/syncer.ts";
import { serveTransfers, type TransfersMessage } from "./host/transfers.ts";

addEventListener("message", event => {
  const { data } = event as MessageEvent<SyncerMessage | TransfersMessage>;
  if (data.kind === "syncs") serveSyncs(data);
  else serveTransfers(data);
  process.exit(); // a Worker's own end
});
