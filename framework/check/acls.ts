/**
 * Whether a master's ACLs let a principal register with a role: the rules of Mesos' own authorizer (src/authorizer/local of
 * Mesos 1.12), from what `/flags` says of them.
 */
import protobuf from 'protobufjs';
import textformat from 'protobufjs/ext/textformat.js';
import { z } from 'zod';

/** include/mesos/authorizer/acls.proto, as far as it is about who may register. */
const schema = `
  syntax = "proto2";
  message Entity {
    enum Type { SOME = 0; ANY = 1; NONE = 2; }
    optional Type type = 1 [default = SOME];
    repeated string values = 2;
  }
  message RegisterFramework { required Entity principals = 1; required Entity roles = 2; }
  message ACLs {
    optional bool permissive = 1 [default = true];
    repeated RegisterFramework register_frameworks = 2;
  }
`;
const aclsType = protobuf.parse(schema, { keepCase: true }).root.lookupType('ACLs');

const entity = z.object({ type: z.enum(['SOME', 'ANY', 'NONE']), values: z.array(z.string()).default([]) });
const acls = z.object({
  permissive: z.boolean(),
  register_frameworks: z.array(z.object({ principals: entity, roles: entity })).default([]),
});
type Entity = z.output<typeof entity>;

/**
 * @param text the flag `acls`, in protobuf's text format; there are some forty other kinds of rules in it
 * @param principal undefined for a framework that gives none
 * @throws Error for text that is no ACLs
 */
export function mayRegister(text: string, principal: string | undefined, role: string): boolean {
  const message = textformat.fromText(aclsType, onlyAboutRegistering(text));
  const { permissive, register_frameworks: rules } = acls.parse(
    aclsType.toObject(message, { enums: String, defaults: true, arrays: true }),
  );
  const subject: Entity =
    principal === undefined ? { type: 'ANY', values: [] } : { type: 'SOME', values: [principal] };
  // The first rule that is about both decides.
  const rule = rules.find(
    ({ principals, roles }) => isAbout(subject, principals) && isAboutRole(role, roles),
  );
  return rule === undefined ? permissive : allows(subject, rule.principals) && allowsRole(role, rule.roles);
}

/** Of the blocks and fields at the left margin, those that the schema above knows: the library refuses others. */
function onlyAboutRegistering(text: string): string {
  const parts = text.match(/^\w+ \{\n[\s\S]*?^\}|^\w+: .*$/gm) ?? [];
  if (parts.length === 0 && text.trim() !== '') throw new Error('they are in another form than Mesos writes');
  return parts.filter((part) => /^(permissive:|register_frameworks )/.test(part)).join('\n');
}

const someOf = (request: Entity, acl: Entity): boolean =>
  request.values.every((value) => acl.values.includes(value));

const isAbout = (request: Entity, acl: Entity): boolean =>
  acl.type !== 'SOME' || (request.type === 'SOME' && someOf(request, acl));

const allows = (request: Entity, acl: Entity): boolean =>
  acl.type === 'ANY' || (acl.type === 'SOME' && request.type === 'SOME' && someOf(request, acl));

/** `eng/%` is about all roles below `eng`. */
const treeOf = ({ values }: Entity): string | undefined =>
  values.length === 1 && values[0]?.endsWith('/%') ? values[0].slice(0, -1) : undefined;

function isAboutRole(role: string, acl: Entity): boolean {
  const tree = treeOf(acl);
  return tree === undefined ? isAbout({ type: 'SOME', values: [role] }, acl) : role.startsWith(tree);
}

const allowsRole = (role: string, acl: Entity): boolean =>
  treeOf(acl) !== undefined || allows({ type: 'SOME', values: [role] }, acl);
