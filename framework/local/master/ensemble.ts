/** Several masters of which one leads at a time, as hosts see them: they follow the leader. */
import type { MasterAddress, MasterLink } from './link.js';
import type { EmbeddedMaster } from './master.js';

export class MasterEnsemble implements MasterAddress {
  readonly link: MasterLink;
  readonly #masters: readonly EmbeddedMaster[];

  constructor(masters: readonly EmbeddedMaster[]) {
    this.#masters = masters;
    this.link = {
      register: (registration, link) => this.leader?.link.register(registration, link),
      update: (agentId, update) => this.leader?.link.update(agentId, update),
      closed: (agentId) => this.leader?.link.closed(agentId),
      unregister: (agentId) => this.leader?.link.unregister(agentId),
    };
  }

  get leader(): EmbeddedMaster | undefined {
    return this.#masters.find((master) => master.isLeading);
  }

  /** Runs `listener` whenever another leads, too. */
  onStart(listener: () => void): () => void {
    const forgets = this.#masters.map((master) => master.onStart(listener));
    return () => {
      for (const forget of forgets) forget();
    };
  }
}
