/**
 * Calico's Docker plugin as far as Docker sees it: the network and IPAM protocols on two sockets where Docker looks for them, answering
 * as projectcalico/libnetwork-plugin of Calico 2.6 does, words of refusal included; and the data plane that Felix lays: a veth pair
 * and a route of 32 bits for each container, with proxy ARP behind 169.254.1.1. The scope is local where Calico's is global, since this
 * is one host. A process of its own, `node calico-plugin.js DIRECTORY`, which says "there" and ends with its standard input.
 * What is assigned, and the pools, are files in the directory, which the stand-in for calicoctl works on, too.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

export const pluginSockets = ['calico', 'calico-ipam'].map((name) => `/run/docker/plugins/${name}.sock`);

/** What Calico's plugin has for a gateway, by which it knows that its own IPAM gave the addresses. */
const noGateway = '0.0.0.0/0';
const nextHop = '169.254.1.1';

export const poolFile = (subnet: string) => subnet.replace('/', '_');

type Body = Readonly<Record<string, unknown>>;
type Call = (body: Body) => object;

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
const textOf = (body: Body, key: string) => String(body[key] ?? '');

function ipamCalls(directory: string): Record<string, Call> {
  const file = (address: string) => join(directory, 'assigned', address);
  return {
    'IpamDriver.GetCapabilities': () => ({}),
    'IpamDriver.GetDefaultAddressSpaces': () => ({
      LocalDefaultAddressSpace: 'CalicoLocalAddressSpace',
      GlobalDefaultAddressSpace: 'CalicoGlobalAddressSpace',
    }),
    'IpamDriver.RequestPool': (body) => {
      const pool = textOf(body, 'Pool');
      if (!existsSync(join(directory, 'pools', poolFile(pool)))) {
        throw new Error('The requested subnet must match the CIDR of a configured Calico IP Pool.');
      }
      return { PoolID: pool, Pool: pool, Data: { 'com.docker.network.gateway': noGateway } };
    },
    'IpamDriver.ReleasePool': () => ({}),
    'IpamDriver.RequestAddress': (body) => {
      const address = textOf(body, 'Address');
      if (address === '') throw new Error('the stand-in gives no address that is not asked for');
      try {
        writeFileSync(file(address), 'this host\n', { flag: 'wx' });
      } catch {
        throw new Error(
          `IP assignment error, data: {IP:${address} HandleID:<nil> Attrs:map[] Hostname:this-host}: Address already assigned in block`,
        );
      }
      return { Address: `${address}/32` };
    },
    'IpamDriver.ReleaseAddress': (body) => {
      rmSync(file(textOf(body, 'Address')), { force: true });
      return {};
    },
  };
}

function networkCalls(): Record<string, Call> {
  const addresses = new Map<string, string>();
  const short = (body: Body) => textOf(body, 'EndpointID').slice(0, 11);
  const nothing: Call = () => ({});
  return {
    'NetworkDriver.GetCapabilities': () => ({ Scope: 'local' }),
    'NetworkDriver.CreateNetwork': (body) => {
      const given = body['IPv4Data'] as readonly { Gateway?: string }[] | undefined;
      if (given?.some(({ Gateway }) => Gateway !== noGateway))
        throw new Error('Non-Calico IPAM driver is used.');
      const generic = (body['Options'] as Body | undefined)?.['com.docker.network.generic'];
      const flags = Object.keys((generic ?? {}) as object);
      if (flags.length > 0) throw new Error(`Calico driver does not support the flag ${flags.join(', ')}.`);
      return {};
    },
    'NetworkDriver.DeleteNetwork': nothing,
    'NetworkDriver.CreateEndpoint': (body) => {
      const { Address } = body['Interface'] as { Address: string };
      addresses.set(short(body), Address);
      return { Interface: { MacAddress: 'ee:ee:ee:ee:ee:ee' } };
    },
    'NetworkDriver.EndpointOperInfo': () => ({ Value: {} }),
    'NetworkDriver.DeleteEndpoint': (body) => {
      addresses.delete(short(body));
      return {};
    },
    'NetworkDriver.Join': (body) => {
      const [outer, inner] = [`cali${short(body)}`, `temp${short(body)}`];
      ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner);
      writeFileSync(`/proc/sys/net/ipv4/conf/${outer}/proxy_arp`, '1');
      writeFileSync(`/proc/sys/net/ipv4/neigh/${outer}/proxy_delay`, '0');
      ip('link', 'set', outer, 'up');
      ip('route', 'add', addresses.get(short(body)) ?? '', 'dev', outer);
      return {
        InterfaceName: { SrcName: inner, DstPrefix: 'cali' },
        Gateway: nextHop,
        StaticRoutes: [{ Destination: `${nextHop}/32`, RouteType: 1, NextHop: '' }],
      };
    },
    'NetworkDriver.Leave': (body) => {
      // With the container's end of it gone, so is this one.
      if (existsSync(`/sys/class/net/cali${short(body)}`)) ip('link', 'del', `cali${short(body)}`);
      return {};
    },
    'NetworkDriver.ProgramExternalConnectivity': nothing,
    'NetworkDriver.RevokeExternalConnectivity': nothing,
    'NetworkDriver.DiscoverNew': nothing,
    'NetworkDriver.DiscoverDelete': nothing,
  };
}

function serve(socket: string, kind: string, calls: Record<string, Call>): Promise<Server> {
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const name = (request.url ?? '').slice(1);
    try {
      const call = name === 'Plugin.Activate' ? () => ({ Implements: [kind] }) : calls[name];
      if (call === undefined) throw new Error(`there is no call ${name}`);
      response.end(JSON.stringify(call(body === '' ? {} : (JSON.parse(body) as Body))));
    } catch (error) {
      response.statusCode = 500;
      response.end(JSON.stringify({ Err: error instanceof Error ? error.message : String(error) }));
    }
  });
  return new Promise((resolve) => server.listen(socket, () => resolve(server)));
}

async function main(directory: string): Promise<void> {
  mkdirSync('/run/docker/plugins', { recursive: true });
  const rules = ['-i', '-o'].map((way) => ['FORWARD', way, 'cali+', '-j', 'ACCEPT']);
  for (const rule of rules) execFileSync('iptables', ['-w', '-I', ...rule]);
  process.on('exit', () => {
    for (const rule of rules) execFileSync('iptables', ['-w', '-D', ...rule]);
    for (const socket of pluginSockets) rmSync(socket, { force: true });
    for (const name of readdirSync('/sys/class/net'))
      if (/^cali[0-9a-f]{11}$/.test(name)) ip('link', 'del', name);
  });
  const [network = '', ipam = ''] = pluginSockets;
  await serve(network, 'NetworkDriver', networkCalls());
  await serve(ipam, 'IpamDriver', ipamCalls(directory));
  process.stdout.write('there\n');
  process.stdin.on('end', () => process.exit()).resume();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv[2] ?? '');
