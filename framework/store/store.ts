/** What outlives the scheduler process, and who may write it. */
import type { ClusterRecord } from '../cluster/model.js';

/** A place that one scheduler at a time keeps its cluster's record in. */
export interface Store {
  /** What was kept, or undefined where nothing ever was. */
  load(): Promise<ClusterRecord | undefined>;
  /** Returns once the record would survive a power cut. */
  save(record: ClusterRecord): Promise<void>;
  /** Lets another process have it. */
  close(): Promise<void>;
}
