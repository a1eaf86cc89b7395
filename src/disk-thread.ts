// src/disk-thread.ts — threads that sync disk images, or read them: the entry of a Worker; see host/syncer.ts, host/reader.ts.
// Lies beside main.ts: in the compiled executable a Worker's address is relative to the root of the entry points.
import { serveReads, type ReaderMessage } from "./host/reader.ts";
import { serveSyncs, type SyncerMessage } from "./host/syncer.ts";

addEventListener("message", event => {
  const { data } = event as MessageEvent<SyncerMessage | ReaderMessage>;
  if (data.kind === "syncs") serveSyncs(data);
  else serveReads(data);
  process.exit(); // a Worker's own end
});
