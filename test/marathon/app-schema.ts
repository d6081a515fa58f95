/**
 * What Marathon 1.6 takes as an app, as far as an app of ours has fields: written from the field definitions of mesosphere/marathon,
 * tag v1.6.322 (docs/docs/rest-api/public/api/v2/types/app.raml and what it includes), and from the rules that its
 * AppValidation.scala, SchedulingValidation.scala, NetworkValidation.scala and UnreachableStrategy.scala add. Stricter where that
 * catches slips: no field that is not here, none that is deprecated, and no secret but by file.
 */
import { z } from 'zod';

const int32 = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const port = z.int().min(0).max(65_535);
const portName = z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
const labels = z.record(z.string(), z.string());
const protocol = z.enum(['tcp', 'udp', 'udp,tcp']);
const segment = '[a-z0-9]([a-z0-9-]*[a-z0-9])?';

const volume = z.strictObject({
  containerPath: z.string().min(1),
  hostPath: z.string().min(1),
  mode: z.enum(['RO', 'RW']),
});

const portMapping = z.strictObject({
  containerPort: port,
  hostPort: port.exactOptional(),
  protocol: protocol.exactOptional(),
  name: portName.exactOptional(),
  labels: labels.exactOptional(),
});

const portDefinition = z.strictObject({
  port,
  protocol: protocol.exactOptional(),
  name: portName.exactOptional(),
  labels: labels.exactOptional(),
});

const healthCheck = z.strictObject({
  protocol: z.enum(['MESOS_HTTP', 'MESOS_HTTPS', 'MESOS_TCP']),
  path: z.string().startsWith('/').exactOptional(),
  portIndex: port,
  delaySeconds: int32.exactOptional(),
  gracePeriodSeconds: int32.exactOptional(),
  intervalSeconds: int32.exactOptional(),
  timeoutSeconds: int32.exactOptional(),
  // With 0 the first failure kills.
  maxConsecutiveFailures: int32.min(1).exactOptional(),
});

const fraction = z.number().min(0).max(1);
const seconds = z.int().min(0);

const fields = z.strictObject({
  id: z.string().regex(new RegExp(`^(/${segment}([.]${segment})*)+$`)),
  instances: int32,
  cpus: z.number().min(0.001),
  mem: z.number().min(0),
  disk: z.number().min(0).exactOptional(),
  args: z.array(z.string()).min(1).exactOptional(),
  container: z.strictObject({
    type: z.literal('DOCKER'),
    docker: z.strictObject({
      image: z.string().min(1),
      forcePullImage: z.boolean().exactOptional(),
      parameters: z.array(z.strictObject({ key: z.string().min(1), value: z.string() })).exactOptional(),
    }),
    volumes: z.array(volume).exactOptional(),
    portMappings: z.array(portMapping).exactOptional(),
  }),
  networks: z
    .array(
      z.discriminatedUnion('mode', [
        z.strictObject({ mode: z.literal('host') }),
        z.strictObject({ mode: z.literal('container/bridge') }),
        z.strictObject({
          mode: z.literal('container'),
          name: z
            .string()
            .max(63)
            .regex(/^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$/),
        }),
      ]),
    )
    // Mesos' Docker containerizer takes one only.
    .length(1),
  portDefinitions: z.array(portDefinition).exactOptional(),
  requirePorts: z.boolean().exactOptional(),
  env: z.record(z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]{0,253}$/), z.string()),
  // Mesos has room for one.
  healthChecks: z.array(healthCheck).max(1),
  labels,
  upgradeStrategy: z.strictObject({ minimumHealthCapacity: fraction, maximumOverCapacity: fraction }),
  unreachableStrategy: z.union([
    z.literal('disabled'),
    z.strictObject({ inactiveAfterSeconds: seconds, expungeAfterSeconds: seconds }),
  ]),
  taskKillGracePeriodSeconds: int32,
  backoffSeconds: int32.exactOptional(),
  backoffFactor: z.number().min(1).exactOptional(),
  maxLaunchDelaySeconds: int32.exactOptional(),
});

export type App = z.output<typeof fields>;

/** Each a sentence about an app that breaks it. */
const rules: readonly ((app: App) => string | false)[] = [
  ({ networks, container }) =>
    networks[0]?.mode === 'host' &&
    (container.portMappings ?? []).length > 0 &&
    'portMappings are not for host networking',
  ({ networks, portDefinitions }) =>
    networks[0]?.mode !== 'host' &&
    (portDefinitions ?? []).length > 0 &&
    'portDefinitions are for host networking only',
  (app) => hasTwice(portsOf(app).flatMap(({ name }) => name ?? [])) && 'two ports have one name',
  ({ portDefinitions }) =>
    hasTwice((portDefinitions ?? []).map(({ port }) => port).filter((port) => port !== 0)) &&
    'two ports are the same',
  (app) =>
    app.healthChecks.some(({ portIndex }) => portIndex >= portsOf(app).length) &&
    'a health check is of a port that is not there',
  ({ labels, instances }) => isSingle(labels) && instances > 1 && 'a single instance has one instance',
  ({ labels, upgradeStrategy: { minimumHealthCapacity, maximumOverCapacity } }) =>
    isSingle(labels) &&
    (minimumHealthCapacity !== 0 || maximumOverCapacity !== 0) &&
    'a single instance is upgraded with 0 and 0 only',
  ({ unreachableStrategy: strategy }) =>
    strategy !== 'disabled' &&
    strategy.inactiveAfterSeconds > strategy.expungeAfterSeconds &&
    'expungeAfterSeconds is less than inactiveAfterSeconds',
];

const isSingle = (labels: App['labels']): boolean => labels['MARATHON_SINGLE_INSTANCE_APP'] === 'true';
const hasTwice = (values: readonly unknown[]): boolean => new Set(values).size < values.length;

/** In the order that `portIndex` and `$PORT0` count in. */
export function portsOf({ container, portDefinitions }: App): readonly { readonly name?: string }[] {
  return container.portMappings ?? portDefinitions ?? [];
}

export const appSchema = fields.superRefine((app, context) => {
  for (const rule of rules) {
    const breach = rule(app);
    if (breach !== false) context.addIssue(breach);
  }
});
