/** Docker, its network of fixed addresses, and who is let in to it. Pure. */
import { admits, admittingProfile, poolOf, renderResource } from './calico.js';
import { command, type Fact, follows, good, missing, operator, steps, warning } from './facts.js';
import type { DockerSeen, Observation } from './observation.js';
import { createNetwork, type HostWish } from './wish.js';

type Answering = Extract<DockerSeen, { kind: 'answers' }>;

export function judgeNetwork(wish: HostWish, seen: Observation): Fact[] {
  const { docker } = seen;
  if (docker.kind === 'silent') {
    const says = `no Docker engine answers (${docker.why})`;
    return [
      missing('docker', says, steps({ kind: 'docker' })),
      // A plan from nothing shows this, too; of Calico nothing can be said before Docker runs.
      ...(wish.driver === 'calico' ? [] : [missing('network', noNetwork(wish), makeNetwork(wish))]),
    ];
  }
  const ofCalico = wish.driver === 'calico';
  return [
    engine(wish, docker),
    ...(ofCalico ? [pool(wish, docker)] : []),
    network(wish, docker),
    ...(ofCalico ? [profile(wish, seen, docker)] : []),
    address(wish, docker),
  ];
}

/** The last release that knows --cluster-store, without which hosts do not share Calico's network (FACTS, Calico 4). */
const lastForCalico = 20;

function engine({ driver }: HostWish, { version }: Answering): Fact {
  return driver === 'calico' && Number(version.split('.')[0]) > lastForCalico
    ? warning(
        'docker',
        `Docker ${version} answers; Calico's plugin was made for releases up to 20.10`,
        'use Docker 20.10, or another --network-driver (docs/hosts.md)',
      )
    : good('docker', `Docker ${version} answers`);
}

const otherDrivers = 'or take another with --network-driver: docs/hosts.md says what each keeps';

function pool({ subnet }: HostWish, { calico }: Answering): Fact {
  if (calico.kind !== 'answers') {
    const why = calico.kind === 'trouble' ? calico.why : 'they were not asked for';
    return missing(
      'pool',
      `Calico's pools are not known: ${why}`,
      operator(`set up Calico 2.6 and its calicoctl, ${otherDrivers}`),
    );
  }
  if (calico.pools.includes(subnet)) return good('pool', `Calico has the pool ${subnet}`);
  const create = command('calicoctl', 'create', '-f', '-');
  return missing(
    'pool',
    `Calico has no pool ${subnet}, which the Docker network needs`,
    steps({ ...create, input: renderResource(poolOf(subnet)) }),
  );
}

const noNetwork = ({ network }: HostWish) => `there is no Docker network ${network}`;
const makeNetwork = (wish: HostWish) => steps(command('docker', ...createNetwork(wish)));

function network(wish: HostWish, docker: Answering): Fact {
  const seen = docker.network;
  if (seen === undefined) return missingNetwork(wish, docker);
  const another = (what: string) =>
    missing(
      'network',
      `there is a Docker network ${wish.network}, but ${what}`,
      operator(
        `give another --network, or remove it once no container is on it: docker network rm ${wish.network}`,
      ),
    );
  if (seen.driver !== wish.driver) return another(`its driver is ${seen.driver}, not ${wish.driver}`);
  if (!seen.subnets.includes(wish.subnet)) {
    return another(`its subnet is ${seen.subnets.join(', ') || 'none'}, not ${wish.subnet}`);
  }
  if (wish.driver === 'calico' && seen.ipamDriver !== 'calico-ipam') {
    return another(`its addresses are given by ${seen.ipamDriver}, not by calico-ipam`);
  }
  if (wish.parent !== undefined && seen.parent !== wish.parent) {
    return another(`it is on ${seen.parent ?? 'no interface'}, not on ${wish.parent}`);
  }
  return good('network', `the Docker network ${wish.network} is there: ${seen.driver}, ${wish.subnet}`);
}

function missingNetwork(wish: HostWish, docker: Answering): Fact {
  const says = noNetwork(wish);
  const hasPlugin = ['calico', 'calico-ipam'].every((name) => docker.drivers.includes(name));
  if (wish.driver === 'calico' && !hasPlugin) {
    return missing(
      'network',
      `${says}, and no Calico plugin to make it with`,
      operator(`start calico/node with its libnetwork plugin, ${otherDrivers}`),
    );
  }
  if (docker.overlap !== undefined) {
    return missing(
      'network',
      `${says}, and its subnet ${wish.subnet} would overlap ${docker.overlap}`,
      operator('give a free --subnet, or this host would be cut off'),
    );
  }
  if (!docker.parentIsThere) {
    // Docker would make an interface of that name that leads nowhere, and say nothing.
    return missing(
      'network',
      `${says}, and no interface ${wish.parent} to make it on`,
      operator('give --network-parent an interface of this host'),
    );
  }
  return missing('network', says, makeNetwork(wish));
}

function profile(wish: HostWish, seen: Observation, { calico }: Answering): Fact {
  if (calico.kind !== 'answers') return missing('profile', 'not known', follows('pool'));
  const networks = admittedNetworks(wish, seen);
  const names = networks.join(', ');
  if (calico.profile !== undefined && admits(calico.profile, networks)) {
    return good('profile', `Calico lets ${names} in to the nodes`);
  }
  const next = admittingProfile(wish.network, calico.profile, networks);
  return missing(
    'profile',
    `Calico does not let ${names} in to the nodes: a scheduler would see those of its own host only, and no browser Jupyter`,
    steps({ ...command('calicoctl', 'apply', '-f', '-'), input: renderResource(next) }),
  );
}

/** The hosts, the pool (with IPIP, a host's packets come from a tunnel address out of it), and whom the operator named. */
function admittedNetworks(wish: HostWish, seen: Pick<Observation, 'hosts'>): string[] {
  const addresses = seen.hosts.flatMap((host) => host.addresses.map((address) => `${address}/32`));
  return [...new Set([...addresses, wish.subnet, ...wish.admit])];
}

function address(wish: HostWish, docker: Answering): Fact {
  const { trial } = docker;
  if (docker.network === undefined)
    return missing('address', 'no container can be tried', follows('network'));
  if (trial === undefined) return untried(wish, docker);
  if (trial.kind === 'failed') {
    return missing(
      'address',
      `no container can be started at ${trial.address}: ${trial.words}`,
      operator(
        wish.driver === 'calico'
          ? `if no container has it: calicoctl ipam release --ip=${trial.address}; else see the log of calico/node`
          : "Docker's own words say what; docker network inspect shows who has the address",
      ),
    );
  }
  if (trial.got !== trial.address) {
    return missing(
      'address',
      `a container that asked for ${trial.address} got ${trial.got || 'none'}`,
      operator('the network gives no fixed addresses: take another'),
    );
  }
  const ran = `a container had the address ${trial.address}`;
  if (trial.reached) return good('address', `${ran}, and this host reached it`);
  return warning(
    'address',
    `${ran}, but this host did not reach it`,
    wish.driver === 'macvlan' || wish.driver === 'ipvlan'
      ? `as it is with ${wish.driver}: a scheduler here sees nodes of other hosts only (docs/hosts.md)`
      : 'look for a firewall between this host and its containers',
  );
}

function untried({ image }: HostWish, { imageIsThere, network }: Answering): Fact {
  const says = 'no container was tried at a fixed address';
  if (image === undefined) return warning('address', `${says}, as no image is given`, 'give --image');
  return imageIsThere && network !== undefined
    ? missing('address', `${says}, as the network is not the one that is wanted`, follows('network'))
    : warning('address', `${says}, as the image ${image} is not here`, `docker pull or docker load it`);
}
