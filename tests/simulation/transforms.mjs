// Changes to the sources that only a bundled simulation has: knobs that make rare things common, and planted bugs that the
// checkers have to find. None of them is in the sources themselves, so no build of the packages can contain one. A text to be
// replaced occurs exactly once in its file; tests/tidy/simulation.test.ts holds that.

/**
 * @typedef {{ readonly file: string, readonly find: string, readonly replace: string }} Transform `file` from the root.
 * @typedef {{ readonly name: string, readonly why: string, readonly transforms: readonly Transform[] }} PlantedBug
 */

/**
 * Thresholds that small documents would never reach.
 * @type {readonly Transform[]}
 */
export const knobs = [
  {
    file: 'sdk/src/sync/stored-replica.ts',
    find: 'const compactionLeast_bytes = 256 * 1024;',
    replace: 'const compactionLeast_bytes = 1024;',
  },
  {
    file: 'sdk/src/sync/feed.ts',
    find: 'const backlog_bytes = 1024 * 1024;',
    replace: 'const backlog_bytes = 256;',
  },
  {
    file: 'sdk/src/sync/feed.ts',
    find: 'const window_bytes = 256 * 1024;',
    replace: 'const window_bytes = 512;',
  },
  {
    file: 'sdk/src/sync/main-thread.ts',
    find: 'const forwardedLog_bytes = 64 * 1024;',
    replace: 'const forwardedLog_bytes = 2 * 1024;',
  },
  {
    file: 'server/src/documents/replicas.ts',
    find: 'const snapshotMin_bytes = 32 * 1024;',
    replace: 'const snapshotMin_bytes = 1024;',
  },
  {
    file: 'server/src/documents/replicas.ts',
    find: 'const leavingSnapshotMin_bytes = 8 * 1024;',
    replace: 'const leavingSnapshotMin_bytes = 256;',
  },
];

/** @type {readonly PlantedBug[]} */
export const planted = [
  {
    name: 'acknowledge-before-commit',
    why: 'the server tells authors and followers before the transaction',
    transforms: [
      {
        file: 'server/src/documents/committer.ts',
        find: '    const outcomes = await this.#append(writing);',
        replace:
          "    for (const taken of group) this.#conclude(taken, 'committed');\n    const outcomes = await this.#append(writing);\n    if (outcomes.size >= 0) return;",
      },
    ],
  },
  {
    name: 'no-deduplication',
    why: 'the server takes an envelope that it has for a new one',
    transforms: [
      {
        file: 'server/src/documents/decide.ts',
        find: "if (last !== undefined && to <= lastSeq) return { type: 'duplicate', last };",
        replace: "if (last !== undefined && to <= lastSeq) return { type: 'take' };",
      },
      {
        file: 'server/src/documents/live-document.ts',
        find: 'if (replica.applyUpdate(envelope)) return undefined;',
        replace: 'if (replica.applyUpdate(envelope) || replica.pendingCount === before) return undefined;',
      },
      {
        file: 'server/src/storage/storage.ts',
        find: 'if (known.closed || known.seq !== envelope.from) return false;',
        replace: 'if (known.closed || known.seq < envelope.from) return false;',
      },
    ],
  },
  {
    name: 'gap-accepted-by-server',
    why: 'the server takes an envelope whose predecessor it lacks',
    transforms: [
      {
        file: 'server/src/documents/decide.ts',
        find: '  if (from > lastSeq) {',
        replace: '  if (from > lastSeq && from < 0) {',
      },
      {
        file: 'server/src/documents/live-document.ts',
        find: 'if (replica.applyUpdate(envelope)) return undefined;',
        replace: 'if (replica.applyUpdate(envelope) || replica.pendingCount > before) return undefined;',
      },
      {
        file: 'server/src/storage/storage.ts',
        find: 'if (known.closed || known.seq !== envelope.from) return false;',
        replace: 'if (known.closed || known.seq > envelope.from) return false;',
      },
    ],
  },
  {
    name: 'frame-order-is-ignored',
    why: 'a frame is looked at whenever it comes, also when one before it has not',
    transforms: [
      {
        file: 'protocol/src/session/frame-order.ts',
        find: '    if (number > this.#received) {',
        replace: '    if (number !== this.#received) return true;\n    if (number > this.#received) {',
      },
    ],
  },
  {
    name: 'channel-is-given-again',
    why: 'a subscription gets the number of one that has ended, and hears what was on its way for that',
    transforms: [
      {
        file: 'protocol/src/session/client-documents.ts',
        find: '        const channel = this.#channels.last + 1;',
        replace:
          '        let channel = 1;\n        while (channel <= this.#channels.last && this.#channels.find(channel) !== undefined) channel += 1;',
      },
      {
        file: 'protocol/src/session/channels.ts',
        find: '    if (channel <= this.#last) throw',
        replace: '    if (channel < 0) throw',
      },
      {
        file: 'protocol/src/session/channels.ts',
        find: '    this.#last = channel;',
        replace: '    this.#last = Math.max(this.#last, channel);',
      },
    ],
  },
  {
    name: 'sent-is-forgotten',
    why: 'what was on its way when a link broke is taken for sent',
    transforms: [
      {
        file: 'protocol/src/session/client-document.ts',
        find: '  #forgetLink(): void {\n    this.#forgetOnTheirWay();',
        replace: '  #forgetLink(): void {',
      },
    ],
  },
  {
    name: 'compaction-ignores-the-server',
    why: 'compaction removes own envelopes that the server lacks',
    transforms: [
      {
        file: 'sdk/src/storage/assemble.ts',
        find: 'return record.to <= (covers.get(record.agent) ?? 0) && isSafe(record, state);',
        replace: 'return record.to <= (covers.get(record.agent) ?? 0) && (isSafe(record, state) || record.to > 0);',
      },
    ],
  },
  {
    name: 'compaction-replaces-any-snapshot',
    why: "a tab's compaction replaces a snapshot that it has not read",
    transforms: [
      {
        file: 'sdk/src/storage/record-store.ts',
        find: 'if (!isSameIncarnation(before, compaction) || (stored && snapshotTag(stored)) !== compaction.replaces) return;',
        replace: 'if (!isSameIncarnation(before, compaction)) return;',
      },
    ],
  },
  {
    name: 'durable-before-stored',
    why: 'a write is called durable when it is handed to storage',
    transforms: [
      {
        file: 'sdk/src/sync/engine-document.ts',
        find: '    journal.write(write, () => {\n      // Another incarnation has begun since it was handed over: the main thread has it again.\n      if (this.#appends.has(append)) this.#stored(append);\n    });',
        replace: '    journal.write(write, () => {});\n    this.#stored(append);',
      },
    ],
  },
  {
    name: 'kept-is-durable',
    why: 'what only memory holds while the disk fails is called durable',
    transforms: [
      {
        file: 'sdk/src/sync/own-writes.ts',
        find: 'if (batch !== undefined) batch.taken = true;',
        replace:
          'if (batch !== undefined) for (const { receipt } of batch.writes) receipt.markDurable();\n    if (batch !== undefined) batch.taken = true;',
      },
    ],
  },
  {
    name: 'synced-by-agent',
    why: 'an acknowledgement is taken for all of its agent',
    transforms: [
      {
        file: 'sdk/src/sync/own-writes.ts',
        find: 'to > 0 && to <= (reached.get(agent) ?? 0);',
        replace: 'to > 0 && reached.has(agent);',
      },
    ],
  },
  {
    name: 'resume-ahead-of-envelopes',
    why: 'the resume point is stored, the envelopes before it are not',
    transforms: [
      {
        file: 'sdk/src/sync/engine-document.ts',
        find: '    journal.writeSoon(write, () => {\n      if (this.#incarnation === incarnation) this.#unstoredReceived -= 1;\n      consumed();\n    });',
        replace:
          '    const { remote: later, ...now } = write;\n    journal.writeSoon(now);\n    environment.timer(() => journal.writeSoon({ ...now, remote: later, acknowledged: [], resume: undefined }, () => {\n      if (this.#incarnation === incarnation) this.#unstoredReceived -= 1;\n      consumed();\n    }), 500);',
      },
    ],
  },
  {
    name: 'state-drops-unstored',
    why: 'a whole state replaces the main replica, and writes that are not yet stored are not joined again',
    transforms: [
      {
        file: 'sdk/src/sync/open-document.ts',
        find: '    this.#applyAll(this.#unstored);\n    this.#guard(',
        replace: '    this.#guard(',
      },
    ],
  },
  {
    name: 'journal-drops-failures',
    why: 'what storage refuses once is not tried again',
    transforms: [
      {
        file: 'sdk/src/sync/journal.ts',
        find: '} else this.#retryLater(failure);\n      return;',
        replace: '} else this.#queue.splice(0, group.length);\n      return;',
      },
    ],
  },
  {
    name: 'checksum-ignored',
    why: 'a record with a wrong checksum is read all the same',
    transforms: [
      {
        file: 'sdk/src/storage/record.ts',
        find: "if (view.getUint32(end, true) !== checksum) throw corrupt('a matching checksum', 'another one');",
        replace:
          "if (view.getUint32(end, true) !== checksum && record.length < 0) throw corrupt('a matching checksum', 'another one');",
      },
    ],
  },
  {
    name: 'damage-keeps-the-resume-point',
    why: 'a damaged record is set aside, and what it held is not fetched again',
    transforms: [
      {
        file: 'sdk/src/storage/assemble.ts',
        find: 'repairs: state.repairs + 1, resume: undefined };',
        replace: 'repairs: state.repairs + 1, resume: state.resume };',
      },
    ],
  },
  {
    name: 'replaced-tag-is-kept',
    why: 'after a damaged snapshot nothing is compacted, and the resume point goes on',
    transforms: [
      {
        file: 'sdk/src/sync/stored-replica.ts',
        find: '      // Also when it was set aside: the next one takes the place of none.\n      this.#tag = stored.snapshot?.tag;',
        replace: '      if (stored.snapshot !== undefined) this.#tag = stored.snapshot.tag;',
      },
      {
        file: 'sdk/src/sync/stored-replica.ts',
        find: '    if (resume === undefined || this.#freed) return;',
        replace: '    if (document.length > 0) return;',
      },
    ],
  },
  {
    name: 'snapshot-claims-too-much',
    why: "the server's snapshot is stored with a position that it doesn't reach",
    transforms: [
      {
        file: 'server/src/documents/replicas.ts',
        find: 'await this.#options.storage.putSnapshot(document.id, { epoch, position, bytes });',
        replace: 'await this.#options.storage.putSnapshot(document.id, { epoch, position: position + 1, bytes });',
      },
    ],
  },
  {
    name: 'follower-misses-commits',
    why: 'a follower is entered before the state that it starts from is read',
    transforms: [
      {
        file: 'server/src/documents/documents.ts',
        find: 'start({ epoch, head, version, position: at, snapshot: bytes, delta, safe, bridges });',
        replace:
          'start({ epoch, head, version, position: Math.max(at, head - 1), snapshot: bytes, delta, safe, bridges });',
      },
    ],
  },
  {
    name: 'failed-commit-stays-in-memory',
    why: "what a failed transaction had is kept in the server's replica and numbers",
    transforms: [
      {
        file: 'server/src/documents/committer.ts',
        find: '    document.discard();\n    document.waitAgain(taken);',
        replace: '    document.committed(taken);\n    document.waitAgain(taken);',
      },
    ],
  },
  {
    name: 'trim-ignores-the-backup',
    why: 'a document is trimmed though a backup lacks something of it',
    transforms: [
      {
        file: 'server/src/documents/documents.ts',
        find: '    if (safe < document.head) {',
        replace: '    if (safe < document.head && !always) {',
      },
    ],
  },
  {
    name: 'safe-position-ignored',
    why: "own envelopes are removed when the server has them, also where its backup hasn't",
    transforms: [
      {
        file: 'sdk/src/storage/assemble.ts',
        find: 'const passed = (position: number): boolean => state.safe !== undefined && position <= state.safe.position;',
        replace: 'const passed = (position: number): boolean => state.safe !== undefined && position >= 0;',
      },
    ],
  },
  {
    name: 'incarnation-is-not-checked',
    why: 'what was written in an earlier incarnation is stored in a later one',
    transforms: [
      {
        file: 'sdk/src/storage/assemble.ts',
        find: 'if (!isSameIncarnation(got, state)) throw',
        replace: 'if (!isSameIncarnation({ ...got, incarnation: state.incarnation }, state)) throw',
      },
    ],
  },
  {
    name: 'rejections-are-not-stored',
    why: 'what came to nothing in a swap is not in the rejected list',
    transforms: [
      {
        file: 'sdk/src/storage/record-store.ts',
        find: 'for (const one of swap.rejected) records',
        replace: 'for (const one of swap.rejected.slice(0, 0)) records',
      },
    ],
  },
  {
    name: 'deletion-is-forgotten',
    why: 'the server calls a document deleted, and keeps it',
    transforms: [
      {
        file: 'server/src/documents/documents.ts',
        find: 'if (!(await this.#storage.delete(id))) return;',
        replace: 'if (id.length > 0) return;',
      },
    ],
  },
  {
    name: 'deletion-is-not-kept',
    why: 'a deletion is called durable and is in no storage',
    transforms: [
      {
        file: 'sdk/src/sync/engine-deletions.ts',
        find: 'return new TextEncoder().encode(JSON.stringify(change(kept)));',
        replace: 'return new TextEncoder().encode(JSON.stringify(change(kept).slice(0, 0)));',
      },
    ],
  },
  {
    name: 'deleted-document-comes-back',
    why: 'the server takes what a tab that has not heard of a deletion writes to the document',
    transforms: [
      {
        file: 'server/src/documents/documents.ts',
        find: '      if (document.deleted) {\n        refuse(',
        replace: '      if (document.deleted && epoch < 0) {\n        refuse(',
      },
      {
        file: 'server/src/storage/memory.ts',
        find: "head !== after || known?.deleted) return 'stale';",
        replace: "head !== after) return 'stale';",
      },
    ],
  },
  {
    name: 'token-before-its-entries',
    why: "a space's token is stored, and the entries that it stands for with the next one",
    transforms: [
      {
        file: 'sdk/src/spaces/space-list.ts',
        find: 'dirty.map(async (shard) => {',
        replace: '(this.late ?? []).map(async (shard) => {',
      },
      {
        file: 'sdk/src/spaces/space-list.ts',
        find: 'await this.#keepNewer(undefined, token, this.#standing);',
        replace: 'await this.#keepNewer(undefined, token, []);\n      this.late = dirty;',
      },
    ],
  },
  {
    name: 'swap-ignores-later-appends',
    why: 'a swap, which takes its time, drops what another tab has appended since its log was read',
    transforms: [
      {
        file: 'sdk/src/storage/assemble.ts',
        find: 'if (to !== swap.expectAgents.get(agent)) return undefined;',
        replace: 'if (to !== swap.expectAgents.get(agent) && to < 0) return undefined;',
      },
      {
        file: 'sdk/src/sync/replacing.ts',
        find: '      this.#committed = await store.swap(document, {',
        replace:
          '      await new Promise((resolve) => this.#context.environment.timer(() => resolve(undefined), 2_000));\n      this.#committed = await store.swap(document, {',
      },
    ],
  },
  {
    name: 'deleted-document-stays-stored',
    why: 'what a device has stored of a deleted document stays there',
    transforms: [
      {
        file: 'sdk/src/sync/replacing.ts',
        find: '    const unsynced = own.filter(({ acknowledged }) => !acknowledged);\n',
        replace:
          '    const unsynced = own.filter(({ acknowledged }) => !acknowledged);\n    if (unsynced.length === 0) return false;\n',
      },
    ],
  },
  {
    name: 'move-copies',
    why: 'a moved element is deleted and inserted again',
    transforms: [
      {
        file: 'sdk/src/core/basic-handles.ts',
        find: '    bridge.check(bridge.writer.list_move(this.resolve(), from, to, bridge.now()));',
        replace: '    const moved = this.get(from) as Plain;\n    this.delete(from);\n    this.insert(to, moved);',
      },
    ],
  },
  {
    name: 'mark-covers-the-rest',
    why: 'what is marked is marked up to the end of its text',
    transforms: [
      {
        file: 'sdk/src/core/handles.ts',
        find: 'bridge.check(writer.text_mark(text, start, end, keyLength',
        replace: 'bridge.check(writer.text_mark(text, start, length, keyLength',
      },
    ],
  },
  {
    name: 'unmark-leaves-an-empty-value',
    why: 'what a mark is taken off is marked with an empty value',
    transforms: [
      {
        file: 'sdk/src/documents/text.ts',
        find: 'return this.mark(start, end, key, null);',
        replace: "return this.mark(start, end, key, '');",
      },
    ],
  },
  {
    name: 'sibling-goes-first',
    why: 'a node that is moved becomes the first child, wherever it was to stand',
    transforms: [
      {
        file: 'sdk/src/core/nodes.ts',
        find: 'writer.tree_move(tree, length, at, jitter, bridge.now())',
        replace: 'writer.tree_move(tree, length, at === lastChild ? at : 0, jitter, bridge.now())',
      },
    ],
  },
  {
    name: 'node-without-its-data',
    why: 'a node of a tree or a graph is made, and what was given for its data is not written',
    transforms: [
      {
        file: 'sdk/src/documents/open-nodes.ts',
        find: '      fill?.(nodes.data(id));',
        replace: '      void fill;',
      },
    ],
  },
];

/**
 * The transforms of a bundle.
 * @param {string | undefined} name of a planted bug
 * @returns {readonly Transform[]}
 */
export function transformsOf(name) {
  if (name === undefined) return knobs;
  const bug = planted.find((candidate) => candidate.name === name);
  if (bug === undefined)
    throw new Error(`No planted bug is called "${name}". There are: ${planted.map((one) => one.name).join(', ')}`);
  return [...knobs, ...bug.transforms];
}
