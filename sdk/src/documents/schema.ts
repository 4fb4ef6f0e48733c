// A document's schema, as the app brings it: whether a value fits, and which writes are refused for it. It says nothing about
// what others write, and changes no value: what a validator makes of its input (defaults, transformations) is not stored.

import { JoineryError } from '@joinery/protocol';
import type { StandardIssue, StandardResult, StandardSchema } from './standard-schema.ts';

/** Where a value doesn't fit its schema, and why. */
export interface SchemaIssue {
  /** Keys and indices from the document's root. */
  readonly path: readonly (string | number)[];
  /** As the validator says it. */
  readonly message: string;
}

/** A write that was refused: with it the document would not have fitted its schema. Nothing was written. */
export class SchemaViolation extends JoineryError {
  /** Everything that would not have fitted, up to 100. */
  readonly issues: readonly SchemaIssue[];

  constructor(vendor: string, issues: readonly SchemaIssue[]) {
    const told = issues.slice(0, toldLimit_count).map(({ path, message }) => `${pathText(path)}: ${message}`);
    const more = issues.length > told.length ? ` (and ${issues.length - told.length} more)` : '';
    super('schema-violation', {
      expected: `a document that fits its ${vendor} schema after the update`,
      got: `${told.join('; ')}${more}`.slice(0, textLimit_chars),
      remedy: 'Nothing was written. Change what is given to `update`, or the schema.',
    });
    this.issues = issues;
  }
}

/** Issues of one value that are kept. */
const issueLimit_count = 100;
/** Issues that are told in an error's message. */
const toldLimit_count = 5;
const textLimit_chars = 2_000;
/** Those of what fits. */
export const noIssues: readonly SchemaIssue[] = Object.freeze([]);

/** A schema in use: the same one for all who give the same validator. */
export class DocumentSchema {
  readonly #schema: StandardSchema;
  /** By the value, which is another object whenever something in it changes. */
  readonly #issues = new WeakMap<object, readonly SchemaIssue[]>();

  private constructor(schema: StandardSchema) {
    this.#schema = schema;
  }

  /** @throws JoineryError `invalid-option` for what has not the interface of Standard Schema, version 1 */
  static of(schema: StandardSchema): DocumentSchema {
    const known = schemas.get(schema);
    if (known !== undefined) return known;
    const given: unknown = schema;
    // Some validators are functions.
    const isObject = (typeof given === 'object' && given !== null) || typeof given === 'function';
    const standard = isObject ? (given as Partial<StandardSchema>)['~standard'] : undefined;
    if (standard?.version !== 1 || typeof standard.validate !== 'function') {
      throw new JoineryError('invalid-option', {
        expected: 'a validator with the interface of Standard Schema, version 1, as the option `schema`',
        got: standard === undefined ? `${given === null ? 'null' : typeof given} without it` : 'one of another version',
        remedy: 'Give a schema of zod, valibot, arktype, or another one that lists this interface.',
      });
    }
    const made = new DocumentSchema(schema);
    schemas.set(schema, made);
    return made;
  }

  /**
   * Where a document's value doesn't fit; the same array for the same value. Empty where it fits.
   *
   * @throws JoineryError `invalid-option` when the validator is asynchronous, and what it throws itself
   */
  issuesOf(value: object): readonly SchemaIssue[] {
    let issues = this.#issues.get(value);
    if (issues === undefined) {
      issues = this.#validate(value);
      this.#issues.set(value, issues);
    }
    return issues;
  }

  /**
   * Refuses a write that turns `before` into `after`, where that doesn't fit. A document that didn't fit before (others have
   * written to it) may be mended in several steps: what is refused then is what brings issues that weren't there.
   *
   * @throws SchemaViolation, and as {@link issuesOf}
   */
  check(before: object, after: object): void {
    if (after === before) return;
    const issues = this.#validate(after);
    if (issues.length === 0) return;
    // One that was never written to isn't broken: the first write makes it whole.
    const known = Object.keys(before).length === 0 ? noIssues : this.issuesOf(before);
    if (known.length === 0 || !isWithin(issues, known)) {
      throw new SchemaViolation(this.#schema['~standard'].vendor, issues);
    }
  }

  #validate(value: object): readonly SchemaIssue[] {
    const { vendor } = this.#schema['~standard'];
    const result: StandardResult | PromiseLike<unknown> = this.#schema['~standard'].validate(value);
    if (typeof (result as unknown) !== 'object' || (result as unknown) === null) {
      throw new JoineryError('invalid-option', {
        expected: 'a schema that answers with an object, as Standard Schema has it',
        got: `${result === null ? 'null' : typeof result} of ${vendor}`,
        remedy: 'Nothing was written. Ask for an answer with `issues`, or with `value`.',
      });
    }
    if ('then' in result && typeof result.then === 'function') {
      // Its outcome is nobody's any more.
      (result as PromiseLike<unknown>).then(ignore, ignore);
      throw new JoineryError('invalid-option', {
        expected: 'a schema that answers at once',
        got: `a promise of ${vendor}`,
        remedy: 'Nothing was written. Leave out what is asynchronous: reading and writing wait for nothing.',
      });
    }
    const { issues } = result as StandardResult;
    if (issues === undefined) return noIssues;
    // Both lists may be of a class of the validator's own.
    const found = Array.from(issues).slice(0, issueLimit_count).map(issueOf);
    // Issues without one are issues all the same.
    return Object.freeze(found.length > 0 ? found : [Object.freeze({ path: [], message: 'It does not fit.' })]);
  }
}

const schemas = new WeakMap<object, DocumentSchema>();

function issueOf({ message, path = [] }: StandardIssue): SchemaIssue {
  const keys = Array.from(path, (part) => (typeof part === 'object' ? part.key : part));
  return Object.freeze({
    path: Object.freeze(keys.map((key) => (typeof key === 'number' ? key : String(key)))),
    message: String(message),
  });
}

/** Whether there is nothing among the issues that isn't among the known ones, as often; elements may have other indices. */
function isWithin(issues: readonly SchemaIssue[], known: readonly SchemaIssue[]): boolean {
  const counts = new Map<string, number>();
  for (const issue of known) counts.set(nameOf(issue), (counts.get(nameOf(issue)) ?? 0) + 1);
  return issues.every((issue) => {
    const left = counts.get(nameOf(issue)) ?? 0;
    counts.set(nameOf(issue), left - 1);
    return left > 0;
  });
}

/** Some validators put the path into the message too. */
function nameOf({ path, message }: SchemaIssue): string {
  const keys = path.map((key) => (typeof key === 'number' ? '*' : key));
  return JSON.stringify([keys, message.replaceAll(/\[\d+\]/g, '[*]')]);
}

function pathText(path: SchemaIssue['path']): string {
  if (path.length === 0) return 'the document';
  return path
    .map((key, index) => {
      if (typeof key === 'number') return `[${key}]`;
      if (!/^[A-Za-z_$][\w$]*$/.test(key)) return `[${JSON.stringify(key)}]`;
      return index === 0 ? key : `.${key}`;
    })
    .join('');
}

function ignore(): void {}
