/**
 * Turns scheduler.proto into schema.generated.ts: the descriptor that protobufjs decodes by, and TypeScript types in the
 * form that Mesos gives its JSON (snake_case, enums as their names, bytes in base64, 64-bit numbers as numbers).
 * `npm run build` runs it before the compiler.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import protobuf from 'protobufjs';

const source = new URL('scheduler.proto', import.meta.url);
const target = new URL('schema.generated.ts', import.meta.url);
const packageName = 'mesos.v1';

const root = protobuf.parse(readFileSync(source, 'utf8'), { keepCase: true }).root;
root.resolveAll();
const pkg = root.lookup(packageName);

/** Offer.Operation.Launch becomes OfferOperationLaunch. */
const nameOf = (type) => type.fullName.slice(packageName.length + 2).replaceAll('.', '');

const scalars = { string: 'string', bytes: 'string', bool: 'boolean' };
function typeOf(field) {
  const one = field.resolvedType ? nameOf(field.resolvedType) : (scalars[field.type] ?? 'number');
  if (field.map) return `{ [key: string]: ${one} }`;
  return field.repeated ? `${one}[]` : one;
}

const declarations = [];
function declare(node) {
  if (node instanceof protobuf.Enum) {
    declarations.push(
      `export type ${nameOf(node)} =\n${Object.keys(node.values)
        .map((name) => `  | '${name}'`)
        .join('\n')};`,
    );
  } else if (node instanceof protobuf.Type) {
    const fields = node.fieldsArray.map((f) => `  ${f.name}${f.required ? '' : '?'}: ${typeOf(f)};`);
    declarations.push(
      fields.length === 0
        ? `export type ${nameOf(node)} = Record<string, never>;`
        : `export interface ${nameOf(node)} {\n${fields.join('\n')}\n}`,
    );
  }
  for (const child of node.nestedArray ?? []) declare(child);
}
declare(pkg);

/**
 * Enums are opened in the descriptor: a closed one makes protobufjs lose a number that it does not know, and then fail
 * the whole message if the field was required. The codec decides what becomes of such numbers.
 */
function openEnums(node) {
  if (node.values) node.options = { ...node.options, features: { enum_type: 'OPEN' } };
  for (const child of Object.values(node.nested ?? {})) openEnums(child);
}
const descriptor = root.toJSON();
openEnums(descriptor);

const text = `// Made by compile.mjs from scheduler.proto; not to be edited.
import type { INamespace } from 'protobufjs';

${declarations.join('\n\n')}

export const descriptor = ${JSON.stringify(descriptor)} as unknown as INamespace;
`;

let before = '';
try {
  before = readFileSync(target, 'utf8');
} catch {
  // Not there yet.
}
if (before !== text) writeFileSync(target, text);
