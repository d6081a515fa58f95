/** The events that the benchmarks are about: those of the captures, and synthetic offers of many hosts. */
import { type Event, type Offer, parseEvent } from '../../framework/mesos/schema/codec.js';
import { vectorLines, vectorNames } from '../unit/mesos/vectors.js';

/** Every event of the captured streams, in their order. */
export const capturedEvents = (): Event[] =>
  vectorNames('.events.jsonl')
    .flatMap((name) => vectorLines(`${name}.events.jsonl`))
    .map((event) => parseEvent(JSON.stringify(event)));

/** As a Mesos agent of some size is offered: its resources, one of them reserved, attributes, allocation. */
export function syntheticOffer(host: number): Offer {
  const allocation_info = { role: 'jupyter' };
  const name = `host-${String(host).padStart(5, '0')}`;
  const scalar = (resource: string, value: number) =>
    ({ name: resource, type: 'SCALAR', scalar: { value }, allocation_info }) as const;
  return {
    id: { value: `8f4b52d1-93e1-46d0-8a58-cf5d9ed8ad0c-O${host}` },
    framework_id: { value: '8f4b52d1-93e1-46d0-8a58-cf5d9ed8ad0c-0000' },
    agent_id: { value: `8f4b52d1-93e1-46d0-8a58-cf5d9ed8ad0c-S${host}` },
    hostname: name,
    url: { scheme: 'http', address: { hostname: name, ip: '127.0.0.1', port: 5051 }, path: '/slave(1)' },
    resources: [
      { name: 'ports', type: 'RANGES', ranges: { range: [{ begin: 31000, end: 32000 }] }, allocation_info },
      scalar('cpus', 15.5),
      scalar('mem', 61_000),
      scalar('disk', 400_000),
      {
        ...scalar('mem', 2_048),
        reservations: [{ type: 'STATIC', role: 'jupyter' }],
      },
    ],
    attributes: [{ name: 'rack', type: 'TEXT', text: { value: `r${host % 40}` } }],
    allocation_info,
  };
}

/** `hosts` offers, `perEvent` in each OFFERS event. */
export function* offerEvents(hosts: number, perEvent: number): Generator<Event> {
  for (let first = 0; first < hosts; first += perEvent) {
    const count = Math.min(perEvent, hosts - first);
    yield {
      type: 'OFFERS',
      offers: { offers: Array.from({ length: count }, (_, at) => syntheticOffer(first + at)) },
    };
  }
}
