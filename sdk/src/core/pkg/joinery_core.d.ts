/* tslint:disable */
/* eslint-disable */

/**
 * A replica behind numbers and bytes.
 */
export class Core {
    free(): void;
    [Symbol.dispose](): void;
    /**
     * Joins the update in the input: 0 it joined, 1 it was known, 2 it waits; 4 more if containers may be seen otherwise than before.
     */
    apply(now_ms: number): number;
    /**
     * Joins the updates in the input, one after the other: of each its length (a varint) and its bytes. Stops at the first that is
     * refused.
     */
    apply_all(now_ms: number): number;
    /**
     * The same of the update in the first `length` bytes of the room.
     */
    apply_short(length: number, now_ms: number): number;
    /**
     * Begins a replay into this replica. The input: the mapping's length (8 bytes, LE; 0 for none) and bytes, then per bridge
     * the trim's agent, the snapshot's length (8 bytes each) and bytes. Absent when it was refused.
     */
    begin_replay(from: Core, epoch: boolean, clock: boolean, server_time_ms: number, correction_ms: number): Replaying | undefined;
    /**
     * The container of this kind that a reader sees at a map's key.
     */
    child(parent: number, kind: number): number;
    /**
     * Grows with every change of this container's own state.
     */
    container_revision(container: number): number;
    /**
     * Adds a whole number, below 2^53 in magnitude.
     */
    counter_add(counter: number, amount: number): number;
    /**
     * The value; NaN when it failed.
     */
    counter_value(counter: number): number;
    /**
     * 1 if this replica has seen everything that the version in the input has.
     */
    covers(): number;
    /**
     * A fresh one; ends what was there.
     */
    create_child(parent: number, kind: number, now_ms: number): number;
    /**
     * Puts into the output, as a packed value, what an envelope does by its operations with `from < seq <= to` of one of the
     * parts. The input: per part both in words of 4 bytes, LE, in ascending order; then the envelope.
     */
    describe(parts: number): number;
    /**
     * Puts the whole state into the output.
     */
    encode_snapshot(): void;
    /**
     * The same, created if there is none.
     */
    ensure_child(parent: number, kind: number, now_ms: number): number;
    /**
     * The stable code of the last refusal.
     */
    error_code(): string;
    /**
     * What was expected, what came, what to do.
     */
    error_message(): string;
    /**
     * Puts into the output what has changed since the version in the input (empty: everything).
     */
    export_update(): number;
    /**
     * Puts into the output an index between two: the first `low_length` bytes of the input and the others; empty: none.
     */
    fractional_index(low_length: number, jitter: number, jitter_bits: number): number;
    /**
     * A new edge from the node in the first `from_length` bytes of the input to the one behind them; its id is the output.
     */
    graph_add_edge(graph: number, from_length: number): number;
    /**
     * A new node; its id as a packed value is the output.
     */
    graph_add_node(graph: number): number;
    /**
     * Deletes the node or edge in the input; 1 if it was there.
     */
    graph_delete(graph: number): number;
    /**
     * Puts the ids of the edges into the output, as a packed array: of each its own, that of its start, that of its end.
     */
    graph_edges(graph: number): number;
    /**
     * Puts the ids of the nodes into the output, as a packed array.
     */
    graph_nodes(graph: number): number;
    /**
     * The index at which the position in the input is now; absent where its unit isn't here.
     */
    index_at(container: number): number;
    /**
     * Room for `length` bytes of input; its address.
     */
    input(length: number): number;
    /**
     * A container's kind; absent once it is gone.
     */
    kind(container: number): number;
    /**
     * Deletes elements.
     */
    list_delete(list: number, index: number, length: number): number;
    /**
     * What a reader sees in an element.
     */
    list_get(list: number, index: number): number;
    /**
     * Inserts the values in the input, one behind the other.
     */
    list_insert(list: number, index: number): number;
    /**
     * Inserts a fresh container; its number.
     */
    list_insert_child(list: number, index: number, kind: number): number;
    /**
     * How many elements there are.
     */
    list_length(list: number): number;
    /**
     * Moves an element, to an index in the list without it.
     */
    list_move(list: number, from: number, to: number, now_ms: number): number;
    /**
     * Writes the value in the input into an element.
     */
    list_set(list: number, index: number, now_ms: number): number;
    /**
     * Puts a fresh container into an element; its number.
     */
    list_set_child(list: number, index: number, kind: number, now_ms: number): number;
    /**
     * Deletes a key; 1 if there was something.
     */
    map_delete(map: number, now_ms: number): number;
    /**
     * What a reader sees at a key.
     */
    map_get(map: number): number;
    /**
     * Puts the keys into the output, as a packed array of strings.
     */
    map_keys(map: number): number;
    /**
     * Writes the value behind the first `key_length` bytes of the input; 1 if containers may be seen otherwise than before.
     */
    map_set(map: number, key_length: number, now_ms: number): number;
    /**
     * An empty replica without an agent.
     */
    constructor();
    /**
     * The map of the node or edge in the input, of a tree or a graph; its number.
     */
    node_data(container: number): number;
    /**
     * How many bytes it has.
     */
    output_length(): number;
    /**
     * Where the last answer starts.
     */
    output_pointer(): number;
    /**
     * The seq of the last operation written here; 0 before the first.
     */
    own_seq(): number;
    /**
     * How many updates wait.
     */
    pending_count(): number;
    /**
     * Puts into the output the position at an index, that sticks to what is behind it or to what is before it.
     */
    position_at(container: number, index: number, sticks_right: boolean): number;
    /**
     * From now on changes are noted, to be told as patches; or no more.
     */
    record_patches(is_on: boolean): void;
    /**
     * Does again what was undone last.
     */
    redo(stack: number, now_ms: number): number;
    /**
     * Replays the envelope in the input, or takes note that it was refused. The output: words of 4 bytes, LE: how many
     * operations came through, then per rejected range the seqs before its first and of its last, and the reason.
     */
    replay(replaying: Replaying, from: Core, refused: boolean): number;
    /**
     * Takes an undo stack of the other replica along; its number here.
     */
    replay_carry_undo(replaying: Replaying, from: Core, stack: number): number;
    /**
     * Puts the stamps of what comes next right in another way.
     */
    replay_correct(replaying: Replaying, server_time_ms: number, correction_ms: number): void;
    /**
     * Puts the mapping into the output.
     */
    replay_mapping(replaying: Replaying): void;
    /**
     * The seq of the last new operation that one became, its agent (8 bytes, LE) in the output; absent where there is none.
     */
    replay_translate(replaying: Replaying, agent: bigint, seq: number): number;
    /**
     * Tries again what waits.
     */
    retry_pending(now_ms: number): void;
    /**
     * Grows with every change.
     */
    revision(): number;
    /**
     * Adds the value in the input.
     */
    set_add(set: number): number;
    /**
     * Gives the replica its agent. Once, before its first write.
     */
    set_agent(agent: bigint): void;
    /**
     * Removes the value in the input; 1 if it was in.
     */
    set_delete(set: number): number;
    /**
     * 1 if the value in the input is in.
     */
    set_has(set: number): number;
    /**
     * Puts what has changed since the last time into the output, as a packed array of patches; how many there are.
     */
    take_patches(): number;
    /**
     * Puts the next envelope of own transactions into the output, and into the room where it is short enough. Its length; absent
     * when there is none.
     */
    take_update(): number;
    /**
     * Applies the packed delta behind the first `keys_length` bytes of the input. Those are the keys whose marks don't grow: of
     * each the length, and the UTF-8.
     */
    text_apply_delta(text: number, keys_length: number, now_ms: number): number;
    /**
     * Deletes units.
     */
    text_delete(text: number, index: number, length: number): number;
    /**
     * Puts the text with its marks into the output, as a packed delta: an array of inserts.
     */
    text_delta(text: number): number;
    /**
     * Inserts the units that were written into [`Core::units`].
     */
    text_insert(text: number, index: number): number;
    /**
     * Inserts one unit: the keystroke.
     */
    text_insert_unit(text: number, index: number, unit: number): number;
    /**
     * Length in units.
     */
    text_length(text: number): number;
    /**
     * Marks the units from `start` to `end` with the key that is the first `key_length` bytes of the input, and the value behind
     * it (null takes the key off). `grows`: what is typed at its end is marked too. 1 if that changes anything.
     */
    text_mark(text: number, start: number, end: number, key_length: number, grows: boolean, now_ms: number): number;
    /**
     * Puts the keys of the text's marks into the output, as a packed array of strings.
     */
    text_mark_keys(text: number): number;
    /**
     * Puts the text into the output. 1 if all of it is ASCII and has one byte a unit, which engines decode several times faster;
     * else it has two, little endian.
     */
    text_read(text: number): number;
    /**
     * Puts a container's content into the output, as a packed value.
     */
    to_plain(container: number): number;
    /**
     * Puts the ids of the nodes below the one in the input into the output, as a packed array.
     */
    tree_children(tree: number): number;
    /**
     * A new node below the one in the input, before its `index`-th child; its id as a packed value is the output.
     */
    tree_create(tree: number, index: number, jitter: number, now_ms: number): number;
    /**
     * Deletes the node in the input; 1 if it was there.
     */
    tree_delete(tree: number, now_ms: number): number;
    /**
     * Hangs the node in the first `node_length` bytes of the input below the one behind them; 1 if it hung elsewhere.
     */
    tree_move(tree: number, node_length: number, index: number, jitter: number, now_ms: number): number;
    /**
     * Puts the id of the node above the one in the input into the output, or null for the top; absent where it isn't shown.
     */
    tree_parent(tree: number): number;
    /**
     * Puts a snapshot with the same content, fresh ids and no removal records into the output.
     */
    trim(agent: bigint): number;
    /**
     * Takes the newest step back; 1 if anything was left of it, or of one before.
     */
    undo(stack: number, now_ms: number): number;
    /**
     * Ends the step under way, with the packed value in the input as its label (empty: what it has); 1 if there is one.
     */
    undo_boundary(stack: number): number;
    /**
     * Lets go of all steps.
     */
    undo_clear(stack: number): number;
    /**
     * The number of the stack in the input, from now on this replica's.
     */
    undo_decode(): number;
    /**
     * How many steps there are on a side.
     */
    undo_depth(stack: number, redo: boolean): number;
    /**
     * Puts a stack into the output.
     */
    undo_encode(stack: number): number;
    /**
     * Puts the label of the next step of a side into the output; absent where there is none.
     */
    undo_meta(stack: number, redo: boolean): number;
    /**
     * Records nothing, in no stack, until told otherwise.
     */
    undo_pause(paused: boolean): void;
    /**
     * Puts the packed value in the input at the next step of a side; 1 if there is one.
     */
    undo_set_meta(stack: number, redo: boolean): number;
    /**
     * Begins to record, on a stack of its own; its number. The input: per scope its container, how many keys (varints), and of each
     * key the length and the UTF-8; empty: everything.
     */
    undo_start(): number;
    /**
     * Ends a stack.
     */
    undo_stop(stack: number): number;
    /**
     * Room for `length` UTF-16 units; its address (even).
     */
    units(length: number): number;
    /**
     * Puts the version into the output.
     */
    version(): void;
}

/**
 * A replay under way.
 */
export class Replaying {
    private constructor();
    free(): void;
    [Symbol.dispose](): void;
}

/**
 * Where the room for short updates is. It has 1,024 bytes, for all replicas.
 */
export function room(): number;

export type InitInput = RequestInfo | URL | Response | BufferSource | WebAssembly.Module;

export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly __wbg_core_free: (a: number, b: number) => void;
    readonly __wbg_replaying_free: (a: number, b: number) => void;
    readonly core_apply: (a: number, b: number) => number;
    readonly core_apply_all: (a: number, b: number) => number;
    readonly core_apply_short: (a: number, b: number, c: number) => number;
    readonly core_begin_replay: (a: number, b: number, c: number, d: number, e: number, f: number) => number;
    readonly core_child: (a: number, b: number, c: number) => number;
    readonly core_container_revision: (a: number, b: number) => number;
    readonly core_counter_add: (a: number, b: number, c: number) => number;
    readonly core_counter_value: (a: number, b: number) => number;
    readonly core_covers: (a: number) => number;
    readonly core_create_child: (a: number, b: number, c: number, d: number) => number;
    readonly core_describe: (a: number, b: number) => number;
    readonly core_encode_snapshot: (a: number) => void;
    readonly core_ensure_child: (a: number, b: number, c: number, d: number) => number;
    readonly core_error_code: (a: number) => [number, number];
    readonly core_error_message: (a: number) => [number, number];
    readonly core_export_update: (a: number) => number;
    readonly core_fractional_index: (a: number, b: number, c: number, d: number) => number;
    readonly core_graph_add_edge: (a: number, b: number, c: number) => number;
    readonly core_graph_add_node: (a: number, b: number) => number;
    readonly core_graph_delete: (a: number, b: number) => number;
    readonly core_graph_edges: (a: number, b: number) => number;
    readonly core_graph_nodes: (a: number, b: number) => number;
    readonly core_index_at: (a: number, b: number) => number;
    readonly core_input: (a: number, b: number) => number;
    readonly core_kind: (a: number, b: number) => number;
    readonly core_list_delete: (a: number, b: number, c: number, d: number) => number;
    readonly core_list_get: (a: number, b: number, c: number) => number;
    readonly core_list_insert: (a: number, b: number, c: number) => number;
    readonly core_list_insert_child: (a: number, b: number, c: number, d: number) => number;
    readonly core_list_length: (a: number, b: number) => number;
    readonly core_list_move: (a: number, b: number, c: number, d: number, e: number) => number;
    readonly core_list_set: (a: number, b: number, c: number, d: number) => number;
    readonly core_list_set_child: (a: number, b: number, c: number, d: number, e: number) => number;
    readonly core_map_delete: (a: number, b: number, c: number) => number;
    readonly core_map_get: (a: number, b: number) => number;
    readonly core_map_keys: (a: number, b: number) => number;
    readonly core_map_set: (a: number, b: number, c: number, d: number) => number;
    readonly core_new: () => number;
    readonly core_node_data: (a: number, b: number) => number;
    readonly core_output_length: (a: number) => number;
    readonly core_output_pointer: (a: number) => number;
    readonly core_own_seq: (a: number) => number;
    readonly core_pending_count: (a: number) => number;
    readonly core_position_at: (a: number, b: number, c: number, d: number) => number;
    readonly core_record_patches: (a: number, b: number) => void;
    readonly core_redo: (a: number, b: number, c: number) => number;
    readonly core_replay: (a: number, b: number, c: number, d: number) => number;
    readonly core_replay_carry_undo: (a: number, b: number, c: number, d: number) => number;
    readonly core_replay_correct: (a: number, b: number, c: number, d: number) => void;
    readonly core_replay_mapping: (a: number, b: number) => void;
    readonly core_replay_translate: (a: number, b: number, c: bigint, d: number) => number;
    readonly core_retry_pending: (a: number, b: number) => void;
    readonly core_revision: (a: number) => number;
    readonly core_set_add: (a: number, b: number) => number;
    readonly core_set_agent: (a: number, b: bigint) => void;
    readonly core_set_delete: (a: number, b: number) => number;
    readonly core_set_has: (a: number, b: number) => number;
    readonly core_take_patches: (a: number) => number;
    readonly core_take_update: (a: number) => number;
    readonly core_text_apply_delta: (a: number, b: number, c: number, d: number) => number;
    readonly core_text_delete: (a: number, b: number, c: number, d: number) => number;
    readonly core_text_delta: (a: number, b: number) => number;
    readonly core_text_insert: (a: number, b: number, c: number) => number;
    readonly core_text_insert_unit: (a: number, b: number, c: number, d: number) => number;
    readonly core_text_length: (a: number, b: number) => number;
    readonly core_text_mark: (a: number, b: number, c: number, d: number, e: number, f: number, g: number) => number;
    readonly core_text_mark_keys: (a: number, b: number) => number;
    readonly core_text_read: (a: number, b: number) => number;
    readonly core_to_plain: (a: number, b: number) => number;
    readonly core_tree_children: (a: number, b: number) => number;
    readonly core_tree_create: (a: number, b: number, c: number, d: number, e: number) => number;
    readonly core_tree_delete: (a: number, b: number, c: number) => number;
    readonly core_tree_move: (a: number, b: number, c: number, d: number, e: number, f: number) => number;
    readonly core_tree_parent: (a: number, b: number) => number;
    readonly core_trim: (a: number, b: bigint) => number;
    readonly core_undo: (a: number, b: number, c: number) => number;
    readonly core_undo_boundary: (a: number, b: number) => number;
    readonly core_undo_clear: (a: number, b: number) => number;
    readonly core_undo_decode: (a: number) => number;
    readonly core_undo_depth: (a: number, b: number, c: number) => number;
    readonly core_undo_encode: (a: number, b: number) => number;
    readonly core_undo_meta: (a: number, b: number, c: number) => number;
    readonly core_undo_pause: (a: number, b: number) => void;
    readonly core_undo_set_meta: (a: number, b: number, c: number) => number;
    readonly core_undo_start: (a: number) => number;
    readonly core_undo_stop: (a: number, b: number) => number;
    readonly core_units: (a: number, b: number) => number;
    readonly core_version: (a: number) => void;
    readonly room: () => number;
    readonly __wbindgen_externrefs: WebAssembly.Table;
    readonly __wbindgen_free: (a: number, b: number, c: number) => void;
    readonly __wbindgen_start: () => void;
}

export type SyncInitInput = BufferSource | WebAssembly.Module;

/**
 * Instantiates the given `module`, which can either be bytes or
 * a precompiled `WebAssembly.Module`.
 *
 * @param {{ module: SyncInitInput }} module - Passing `SyncInitInput` directly is deprecated.
 *
 * @returns {InitOutput}
 */
export function initSync(module: { module: SyncInitInput } | SyncInitInput): InitOutput;

/**
 * If `module_or_path` is {RequestInfo} or {URL}, makes a request and
 * for everything else, calls `WebAssembly.instantiate` directly.
 *
 * @param {{ module_or_path: InitInput | Promise<InitInput> }} module_or_path - Passing `InitInput` directly is deprecated.
 *
 * @returns {Promise<InitOutput>}
 */
export default function __wbg_init (module_or_path?: { module_or_path: InitInput | Promise<InitInput> } | InitInput | Promise<InitInput>): Promise<InitOutput>;
