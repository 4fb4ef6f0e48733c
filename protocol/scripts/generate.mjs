// Writes src/gen/frame.generated.ts from proto/*.proto with pbf's compiler, and gives its functions types.
// Run by `npm run build:protocol --workspace @joinery/protocol`; a test fails when the committed file is not what this writes.

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { compileRaw } from 'pbf/compile';
import resolve from 'resolve-protobuf-schema';

const schemaPath = fileURLToPath(new URL('../proto/frame.proto', import.meta.url));
const outputPath = fileURLToPath(new URL('../src/gen/frame.generated.ts', import.meta.url));

const scalarTypes = { string: 'string', bytes: 'Uint8Array', bool: 'boolean', uint32: 'number', uint64: 'number' };

/** The generated file's text. */
export function generate() {
  const schema = resolve.sync(schemaPath);
  for (const message of schema.messages) {
    for (const field of message.fields) field.name = camelCase(field.name);
  }
  const names = schema.messages.map((message) => message.name).sort();
  const interfaces = schema.messages.map(writeInterface).sort().join('\n');
  return [
    '// Generated from proto/*.proto by scripts/generate.mjs with the compiler of pbf. Do not edit.',
    '// It trusts its input: src/codec.ts checks the bytes first.',
    '',
    "import type { PbfReader, PbfWriter } from 'pbf';",
    '',
    interfaces,
    names.reduce(addTypes, compileRaw(schema, { dev: true })).trim(),
    '',
  ].join('\n');
}

function writeInterface(message) {
  const lines = message.fields.map((field) => {
    const scalar = scalarTypes[field.type];
    const type = scalar ?? field.type;
    if (field.repeated) return `  ${field.name}: ${type}[];`;
    // Messages and bytes that the frame doesn't hold read as undefined.
    const optional = scalar === undefined || scalar === 'Uint8Array';
    return `  ${field.name}${optional ? '?' : ''}: ${type}${optional ? ' | undefined' : ''};`;
  });
  const oneofs = new Set(message.fields.map((field) => field.oneof).filter(Boolean));
  for (const oneof of oneofs) {
    const cases = message.fields.filter((field) => field.oneof === oneof).map((field) => `'${field.name}'`);
    lines.push(`  ${oneof}?: ${cases.join(' | ')} | undefined;`);
  }
  return `export interface ${message.name} {\n${lines.join('\n')}\n}\n`;
}

function addTypes(code, name) {
  return code
    .replace(`function read${name}(pbf, end) {`, `function read${name}(pbf: PbfReader, end?: number): ${name} {`)
    .replace(`function write${name}(obj, pbf) {`, `function write${name}(obj: ${name}, pbf: PbfWriter): void {`)
    .replace(new RegExp(`(function read${name}\\([^\\n]*\\n    const obj) = `), `$1: ${name} = `);
}

function camelCase(name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(outputPath, generate());
  console.log(`Wrote ${outputPath}`);
}
