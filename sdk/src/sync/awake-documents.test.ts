import { expect, test } from 'vitest';
import { AwakeDocuments } from './awake-documents.ts';

class Counted {
  rests = 0;
  mayRest = true;

  rest(): boolean {
    if (this.mayRest) this.rests += 1;
    return this.mayRest;
  }
}

const make = (count: number): Counted[] => Array.from({ length: count }, () => new Counted());

test('the documents that were used longest ago rest, and those that were used last do not', () => {
  const awake = new AwakeDocuments(64);
  const documents = make(100);
  for (const document of documents) awake.used(document);
  expect(documents.map(({ rests }) => rests)).toEqual(documents.map((_, index) => (index < 36 ? 1 : 0)));
});

test('a document that can’t rest is asked again when it can', () => {
  const awake = new AwakeDocuments(64);
  const documents = make(100);
  for (const document of documents) document.mayRest = false;
  for (const document of documents) awake.used(document);
  for (const document of documents) document.mayRest = true;
  for (let use = 0; use < 50; use += 1) awake.used(documents[0] as Counted);
  expect(documents.filter(({ rests }) => rests > 0)).toHaveLength(36);
  expect(documents[0]?.rests).toBe(0);
});

test('a released document is not asked any more', () => {
  const awake = new AwakeDocuments(64);
  const [released, ...documents] = make(100);
  awake.used(released as Counted);
  awake.released(released as Counted);
  for (const document of documents) awake.used(document);
  expect(released?.rests).toBe(0);
});
