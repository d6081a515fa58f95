/** Mesos' events in the words of the core. */
import { type ClusterEvent, type Offer as CoreOffer, type TaskState, taskStates } from '../cluster/model.js';
import { usableOf } from './resources.js';
import type { Event, Offer, TaskStatus } from './schema/codec.js';

/** Undefined for an event that decides nothing. */
export function toClusterEvent(event: Event): ClusterEvent | undefined {
  switch (event.type) {
    case 'SUBSCRIBED':
      return { kind: 'subscribed', frameworkId: event.subscribed.framework_id.value };
    case 'OFFERS':
      return { kind: 'offers', offers: (event.offers.offers ?? []).map(toCoreOffer) };
    case 'RESCIND':
      return { kind: 'rescinded', offerId: event.rescind.offer_id.value };
    case 'UPDATE':
      return { kind: 'update', update: toUpdate(event.update.status) };
    // FAILURE of a host is followed by an update of each of its tasks; an ERROR ends the stream, which the driver handles.
    case 'FAILURE':
    case 'ERROR':
    case 'HEARTBEAT':
    case 'MESSAGE':
    case 'INVERSE_OFFERS':
    case 'RESCIND_INVERSE_OFFER':
    case 'UPDATE_OPERATION_STATUS':
    case 'UNKNOWN':
      return undefined;
  }
}

function toCoreOffer(offer: Offer): CoreOffer {
  return {
    id: offer.id.value,
    agentId: offer.agent_id.value,
    hostname: offer.hostname,
    attributes: attributesOf(offer),
    unavailable: offer.unavailability !== undefined,
    ...usableOf(offer.resources ?? []),
  };
}

/** Those that have one value: constraints compare nothing else. */
function attributesOf(offer: Offer): Record<string, string> {
  return Object.fromEntries(
    (offer.attributes ?? []).flatMap(({ name, text, scalar }): [string, string][] => {
      if (text !== undefined) return [[name, text.value]];
      return scalar === undefined ? [] : [[name, String(scalar.value)]];
    }),
  );
}

function toUpdate(status: TaskStatus): Extract<ClusterEvent, { kind: 'update' }>['update'] {
  return {
    taskId: status.task_id.value,
    state: isTaskState(status.state) ? status.state : 'TASK_UNREACHABLE',
    ...(status.agent_id !== undefined && { agentId: status.agent_id.value }),
    ...(status.source !== undefined && { source: status.source }),
    ...(status.reason !== undefined && { reason: status.reason }),
    ...(status.message !== undefined && { message: status.message }),
    ...(status.healthy !== undefined && { healthy: status.healthy }),
    ...(status.uuid !== undefined && { uuid: status.uuid }),
  };
}

const isTaskState = (state: string): state is TaskState => (taskStates as readonly string[]).includes(state);
