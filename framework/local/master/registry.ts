/**
 * What a master keeps beyond its own life: which hosts there are. A real one writes it to a log that it shares with its fellow masters
 * (src/master/registrar.cpp of Mesos); here it is an object that they share, for the process's life.
 */
export class Registry {
  readonly admitted = new Set<string>();
  /** Since when, in ms since the epoch. */
  readonly unreachable = new Map<string, number>();
  readonly gone = new Set<string>();

  admit(agentId: string): void {
    this.admitted.add(agentId);
    this.unreachable.delete(agentId);
  }

  markUnreachable(agentId: string, since: number): void {
    this.admitted.delete(agentId);
    this.unreachable.set(agentId, since);
  }

  markGone(agentId: string): void {
    this.admitted.delete(agentId);
    this.unreachable.delete(agentId);
    this.gone.add(agentId);
  }

  remove(agentId: string): void {
    this.admitted.delete(agentId);
  }

  clear(): void {
    this.admitted.clear();
    this.unreachable.clear();
    this.gone.clear();
  }
}
