/* @ts-self-types="./joinery_core.d.ts" */

/**
 * A replica behind numbers and bytes.
 */
export class Core {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        CoreFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_core_free(ptr, 0);
    }
    /**
     * Joins the update in the input: 0 it joined, 1 it was known, 2 it waits; 4 more if containers may be seen otherwise than before.
     * @param {number} now_ms
     * @returns {number}
     */
    apply(now_ms) {
        const ret = wasm.core_apply(this.__wbg_ptr, now_ms);
        return ret;
    }
    /**
     * Joins the updates in the input, one after the other: of each its length (a varint) and its bytes. Stops at the first that is
     * refused.
     * @param {number} now_ms
     * @returns {number}
     */
    apply_all(now_ms) {
        const ret = wasm.core_apply_all(this.__wbg_ptr, now_ms);
        return ret;
    }
    /**
     * The same of the update in the first `length` bytes of the room.
     * @param {number} length
     * @param {number} now_ms
     * @returns {number}
     */
    apply_short(length, now_ms) {
        const ret = wasm.core_apply_short(this.__wbg_ptr, length, now_ms);
        return ret;
    }
    /**
     * Begins a replay into this replica. The input: the mapping's length (8 bytes, LE; 0 for none) and bytes, then per bridge
     * the trim's agent, the snapshot's length (8 bytes each) and bytes. Absent when it was refused.
     * @param {Core} from
     * @param {boolean} epoch
     * @param {boolean} clock
     * @param {number} server_time_ms
     * @param {number} correction_ms
     * @returns {Replaying | undefined}
     */
    begin_replay(from, epoch, clock, server_time_ms, correction_ms) {
        _assertClass(from, Core);
        const ret = wasm.core_begin_replay(this.__wbg_ptr, from.__wbg_ptr, epoch, clock, server_time_ms, correction_ms);
        return ret === 0 ? undefined : Replaying.__wrap(ret);
    }
    /**
     * The container of this kind that a reader sees at a map's key.
     * @param {number} parent
     * @param {number} kind
     * @returns {number}
     */
    child(parent, kind) {
        const ret = wasm.core_child(this.__wbg_ptr, parent, kind);
        return ret;
    }
    /**
     * Grows with every change of this container's own state.
     * @param {number} container
     * @returns {number}
     */
    container_revision(container) {
        const ret = wasm.core_container_revision(this.__wbg_ptr, container);
        return ret >>> 0;
    }
    /**
     * Adds a whole number, below 2^53 in magnitude.
     * @param {number} counter
     * @param {number} amount
     * @returns {number}
     */
    counter_add(counter, amount) {
        const ret = wasm.core_counter_add(this.__wbg_ptr, counter, amount);
        return ret;
    }
    /**
     * The value; NaN when it failed.
     * @param {number} counter
     * @returns {number}
     */
    counter_value(counter) {
        const ret = wasm.core_counter_value(this.__wbg_ptr, counter);
        return ret;
    }
    /**
     * 1 if this replica has seen everything that the version in the input has.
     * @returns {number}
     */
    covers() {
        const ret = wasm.core_covers(this.__wbg_ptr);
        return ret;
    }
    /**
     * A fresh one; ends what was there.
     * @param {number} parent
     * @param {number} kind
     * @param {number} now_ms
     * @returns {number}
     */
    create_child(parent, kind, now_ms) {
        const ret = wasm.core_create_child(this.__wbg_ptr, parent, kind, now_ms);
        return ret;
    }
    /**
     * Puts into the output, as a packed value, what an envelope does by its operations with `from < seq <= to` of one of the
     * parts. The input: per part both in words of 4 bytes, LE, in ascending order; then the envelope.
     * @param {number} parts
     * @returns {number}
     */
    describe(parts) {
        const ret = wasm.core_describe(this.__wbg_ptr, parts);
        return ret;
    }
    /**
     * Puts the whole state into the output.
     */
    encode_snapshot() {
        wasm.core_encode_snapshot(this.__wbg_ptr);
    }
    /**
     * The same, created if there is none.
     * @param {number} parent
     * @param {number} kind
     * @param {number} now_ms
     * @returns {number}
     */
    ensure_child(parent, kind, now_ms) {
        const ret = wasm.core_ensure_child(this.__wbg_ptr, parent, kind, now_ms);
        return ret;
    }
    /**
     * The stable code of the last refusal.
     * @returns {string}
     */
    error_code() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.core_error_code(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * What was expected, what came, what to do.
     * @returns {string}
     */
    error_message() {
        let deferred1_0;
        let deferred1_1;
        try {
            const ret = wasm.core_error_message(this.__wbg_ptr);
            deferred1_0 = ret[0];
            deferred1_1 = ret[1];
            return getStringFromWasm0(ret[0], ret[1]);
        } finally {
            wasm.__wbindgen_free(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * Puts into the output what has changed since the version in the input (empty: everything).
     * @returns {number}
     */
    export_update() {
        const ret = wasm.core_export_update(this.__wbg_ptr);
        return ret;
    }
    /**
     * Puts into the output an index between two: the first `low_length` bytes of the input and the others; empty: none.
     * @param {number} low_length
     * @param {number} jitter
     * @param {number} jitter_bits
     * @returns {number}
     */
    fractional_index(low_length, jitter, jitter_bits) {
        const ret = wasm.core_fractional_index(this.__wbg_ptr, low_length, jitter, jitter_bits);
        return ret;
    }
    /**
     * A new edge from the node in the first `from_length` bytes of the input to the one behind them; its id is the output.
     * @param {number} graph
     * @param {number} from_length
     * @returns {number}
     */
    graph_add_edge(graph, from_length) {
        const ret = wasm.core_graph_add_edge(this.__wbg_ptr, graph, from_length);
        return ret;
    }
    /**
     * A new node; its id as a packed value is the output.
     * @param {number} graph
     * @returns {number}
     */
    graph_add_node(graph) {
        const ret = wasm.core_graph_add_node(this.__wbg_ptr, graph);
        return ret;
    }
    /**
     * Deletes the node or edge in the input; 1 if it was there.
     * @param {number} graph
     * @returns {number}
     */
    graph_delete(graph) {
        const ret = wasm.core_graph_delete(this.__wbg_ptr, graph);
        return ret;
    }
    /**
     * Puts the ids of the edges into the output, as a packed array: of each its own, that of its start, that of its end.
     * @param {number} graph
     * @returns {number}
     */
    graph_edges(graph) {
        const ret = wasm.core_graph_edges(this.__wbg_ptr, graph);
        return ret;
    }
    /**
     * Puts the ids of the nodes into the output, as a packed array.
     * @param {number} graph
     * @returns {number}
     */
    graph_nodes(graph) {
        const ret = wasm.core_graph_nodes(this.__wbg_ptr, graph);
        return ret;
    }
    /**
     * The index at which the position in the input is now; absent where its unit isn't here.
     * @param {number} container
     * @returns {number}
     */
    index_at(container) {
        const ret = wasm.core_index_at(this.__wbg_ptr, container);
        return ret;
    }
    /**
     * Room for `length` bytes of input; its address.
     * @param {number} length
     * @returns {number}
     */
    input(length) {
        const ret = wasm.core_input(this.__wbg_ptr, length);
        return ret >>> 0;
    }
    /**
     * A container's kind; absent once it is gone.
     * @param {number} container
     * @returns {number}
     */
    kind(container) {
        const ret = wasm.core_kind(this.__wbg_ptr, container);
        return ret;
    }
    /**
     * Deletes elements.
     * @param {number} list
     * @param {number} index
     * @param {number} length
     * @returns {number}
     */
    list_delete(list, index, length) {
        const ret = wasm.core_list_delete(this.__wbg_ptr, list, index, length);
        return ret;
    }
    /**
     * What a reader sees in an element.
     * @param {number} list
     * @param {number} index
     * @returns {number}
     */
    list_get(list, index) {
        const ret = wasm.core_list_get(this.__wbg_ptr, list, index);
        return ret;
    }
    /**
     * Inserts the values in the input, one behind the other.
     * @param {number} list
     * @param {number} index
     * @returns {number}
     */
    list_insert(list, index) {
        const ret = wasm.core_list_insert(this.__wbg_ptr, list, index);
        return ret;
    }
    /**
     * Inserts a fresh container; its number.
     * @param {number} list
     * @param {number} index
     * @param {number} kind
     * @returns {number}
     */
    list_insert_child(list, index, kind) {
        const ret = wasm.core_list_insert_child(this.__wbg_ptr, list, index, kind);
        return ret;
    }
    /**
     * How many elements there are.
     * @param {number} list
     * @returns {number}
     */
    list_length(list) {
        const ret = wasm.core_list_length(this.__wbg_ptr, list);
        return ret;
    }
    /**
     * Moves an element, to an index in the list without it.
     * @param {number} list
     * @param {number} from
     * @param {number} to
     * @param {number} now_ms
     * @returns {number}
     */
    list_move(list, from, to, now_ms) {
        const ret = wasm.core_list_move(this.__wbg_ptr, list, from, to, now_ms);
        return ret;
    }
    /**
     * Writes the value in the input into an element.
     * @param {number} list
     * @param {number} index
     * @param {number} now_ms
     * @returns {number}
     */
    list_set(list, index, now_ms) {
        const ret = wasm.core_list_set(this.__wbg_ptr, list, index, now_ms);
        return ret;
    }
    /**
     * Puts a fresh container into an element; its number.
     * @param {number} list
     * @param {number} index
     * @param {number} kind
     * @param {number} now_ms
     * @returns {number}
     */
    list_set_child(list, index, kind, now_ms) {
        const ret = wasm.core_list_set_child(this.__wbg_ptr, list, index, kind, now_ms);
        return ret;
    }
    /**
     * Deletes a key; 1 if there was something.
     * @param {number} map
     * @param {number} now_ms
     * @returns {number}
     */
    map_delete(map, now_ms) {
        const ret = wasm.core_map_delete(this.__wbg_ptr, map, now_ms);
        return ret;
    }
    /**
     * What a reader sees at a key.
     * @param {number} map
     * @returns {number}
     */
    map_get(map) {
        const ret = wasm.core_map_get(this.__wbg_ptr, map);
        return ret;
    }
    /**
     * Puts the keys into the output, as a packed array of strings.
     * @param {number} map
     * @returns {number}
     */
    map_keys(map) {
        const ret = wasm.core_map_keys(this.__wbg_ptr, map);
        return ret;
    }
    /**
     * Writes the value behind the first `key_length` bytes of the input; 1 if containers may be seen otherwise than before.
     * @param {number} map
     * @param {number} key_length
     * @param {number} now_ms
     * @returns {number}
     */
    map_set(map, key_length, now_ms) {
        const ret = wasm.core_map_set(this.__wbg_ptr, map, key_length, now_ms);
        return ret;
    }
    /**
     * An empty replica without an agent.
     */
    constructor() {
        const ret = wasm.core_new();
        this.__wbg_ptr = ret;
        CoreFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * The map of the node or edge in the input, of a tree or a graph; its number.
     * @param {number} container
     * @returns {number}
     */
    node_data(container) {
        const ret = wasm.core_node_data(this.__wbg_ptr, container);
        return ret;
    }
    /**
     * How many bytes it has.
     * @returns {number}
     */
    output_length() {
        const ret = wasm.core_output_length(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Where the last answer starts.
     * @returns {number}
     */
    output_pointer() {
        const ret = wasm.core_output_pointer(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * The seq of the last operation written here; 0 before the first.
     * @returns {number}
     */
    own_seq() {
        const ret = wasm.core_own_seq(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * How many updates wait.
     * @returns {number}
     */
    pending_count() {
        const ret = wasm.core_pending_count(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Puts into the output the position at an index, that sticks to what is behind it or to what is before it.
     * @param {number} container
     * @param {number} index
     * @param {boolean} sticks_right
     * @returns {number}
     */
    position_at(container, index, sticks_right) {
        const ret = wasm.core_position_at(this.__wbg_ptr, container, index, sticks_right);
        return ret;
    }
    /**
     * From now on changes are noted, to be told as patches; or no more.
     * @param {boolean} is_on
     */
    record_patches(is_on) {
        wasm.core_record_patches(this.__wbg_ptr, is_on);
    }
    /**
     * Does again what was undone last.
     * @param {number} stack
     * @param {number} now_ms
     * @returns {number}
     */
    redo(stack, now_ms) {
        const ret = wasm.core_redo(this.__wbg_ptr, stack, now_ms);
        return ret;
    }
    /**
     * Replays the envelope in the input, or takes note that it was refused. The output: words of 4 bytes, LE: how many
     * operations came through, then per rejected range the seqs before its first and of its last, and the reason.
     * @param {Replaying} replaying
     * @param {Core} from
     * @param {boolean} refused
     * @returns {number}
     */
    replay(replaying, from, refused) {
        _assertClass(replaying, Replaying);
        _assertClass(from, Core);
        const ret = wasm.core_replay(this.__wbg_ptr, replaying.__wbg_ptr, from.__wbg_ptr, refused);
        return ret;
    }
    /**
     * Takes an undo stack of the other replica along; its number here.
     * @param {Replaying} replaying
     * @param {Core} from
     * @param {number} stack
     * @returns {number}
     */
    replay_carry_undo(replaying, from, stack) {
        _assertClass(replaying, Replaying);
        _assertClass(from, Core);
        const ret = wasm.core_replay_carry_undo(this.__wbg_ptr, replaying.__wbg_ptr, from.__wbg_ptr, stack);
        return ret;
    }
    /**
     * Puts the stamps of what comes next right in another way.
     * @param {Replaying} replaying
     * @param {number} server_time_ms
     * @param {number} correction_ms
     */
    replay_correct(replaying, server_time_ms, correction_ms) {
        _assertClass(replaying, Replaying);
        wasm.core_replay_correct(this.__wbg_ptr, replaying.__wbg_ptr, server_time_ms, correction_ms);
    }
    /**
     * Puts the mapping into the output.
     * @param {Replaying} replaying
     */
    replay_mapping(replaying) {
        _assertClass(replaying, Replaying);
        wasm.core_replay_mapping(this.__wbg_ptr, replaying.__wbg_ptr);
    }
    /**
     * The seq of the last new operation that one became, its agent (8 bytes, LE) in the output; absent where there is none.
     * @param {Replaying} replaying
     * @param {bigint} agent
     * @param {number} seq
     * @returns {number}
     */
    replay_translate(replaying, agent, seq) {
        _assertClass(replaying, Replaying);
        const ret = wasm.core_replay_translate(this.__wbg_ptr, replaying.__wbg_ptr, agent, seq);
        return ret;
    }
    /**
     * Tries again what waits.
     * @param {number} now_ms
     */
    retry_pending(now_ms) {
        wasm.core_retry_pending(this.__wbg_ptr, now_ms);
    }
    /**
     * Grows with every change.
     * @returns {number}
     */
    revision() {
        const ret = wasm.core_revision(this.__wbg_ptr);
        return ret;
    }
    /**
     * Adds the value in the input.
     * @param {number} set
     * @returns {number}
     */
    set_add(set) {
        const ret = wasm.core_set_add(this.__wbg_ptr, set);
        return ret;
    }
    /**
     * Gives the replica its agent. Once, before its first write.
     * @param {bigint} agent
     */
    set_agent(agent) {
        wasm.core_set_agent(this.__wbg_ptr, agent);
    }
    /**
     * Removes the value in the input; 1 if it was in.
     * @param {number} set
     * @returns {number}
     */
    set_delete(set) {
        const ret = wasm.core_set_delete(this.__wbg_ptr, set);
        return ret;
    }
    /**
     * 1 if the value in the input is in.
     * @param {number} set
     * @returns {number}
     */
    set_has(set) {
        const ret = wasm.core_set_has(this.__wbg_ptr, set);
        return ret;
    }
    /**
     * Puts what has changed since the last time into the output, as a packed array of patches; how many there are.
     * @returns {number}
     */
    take_patches() {
        const ret = wasm.core_take_patches(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Puts the next envelope of own transactions into the output, and into the room where it is short enough. Its length; absent
     * when there is none.
     * @returns {number}
     */
    take_update() {
        const ret = wasm.core_take_update(this.__wbg_ptr);
        return ret;
    }
    /**
     * Applies the packed delta behind the first `keys_length` bytes of the input. Those are the keys whose marks don't grow: of
     * each the length, and the UTF-8.
     * @param {number} text
     * @param {number} keys_length
     * @param {number} now_ms
     * @returns {number}
     */
    text_apply_delta(text, keys_length, now_ms) {
        const ret = wasm.core_text_apply_delta(this.__wbg_ptr, text, keys_length, now_ms);
        return ret;
    }
    /**
     * Deletes units.
     * @param {number} text
     * @param {number} index
     * @param {number} length
     * @returns {number}
     */
    text_delete(text, index, length) {
        const ret = wasm.core_text_delete(this.__wbg_ptr, text, index, length);
        return ret;
    }
    /**
     * Puts the text with its marks into the output, as a packed delta: an array of inserts.
     * @param {number} text
     * @returns {number}
     */
    text_delta(text) {
        const ret = wasm.core_text_delta(this.__wbg_ptr, text);
        return ret;
    }
    /**
     * Inserts the units that were written into [`Core::units`].
     * @param {number} text
     * @param {number} index
     * @returns {number}
     */
    text_insert(text, index) {
        const ret = wasm.core_text_insert(this.__wbg_ptr, text, index);
        return ret;
    }
    /**
     * Inserts one unit: the keystroke.
     * @param {number} text
     * @param {number} index
     * @param {number} unit
     * @returns {number}
     */
    text_insert_unit(text, index, unit) {
        const ret = wasm.core_text_insert_unit(this.__wbg_ptr, text, index, unit);
        return ret;
    }
    /**
     * Length in units.
     * @param {number} text
     * @returns {number}
     */
    text_length(text) {
        const ret = wasm.core_text_length(this.__wbg_ptr, text);
        return ret;
    }
    /**
     * Marks the units from `start` to `end` with the key that is the first `key_length` bytes of the input, and the value behind
     * it (null takes the key off). `grows`: what is typed at its end is marked too. 1 if that changes anything.
     * @param {number} text
     * @param {number} start
     * @param {number} end
     * @param {number} key_length
     * @param {boolean} grows
     * @param {number} now_ms
     * @returns {number}
     */
    text_mark(text, start, end, key_length, grows, now_ms) {
        const ret = wasm.core_text_mark(this.__wbg_ptr, text, start, end, key_length, grows, now_ms);
        return ret;
    }
    /**
     * Puts the keys of the text's marks into the output, as a packed array of strings.
     * @param {number} text
     * @returns {number}
     */
    text_mark_keys(text) {
        const ret = wasm.core_text_mark_keys(this.__wbg_ptr, text);
        return ret;
    }
    /**
     * Puts the text into the output. 1 if all of it is ASCII and has one byte a unit, which engines decode several times faster;
     * else it has two, little endian.
     * @param {number} text
     * @returns {number}
     */
    text_read(text) {
        const ret = wasm.core_text_read(this.__wbg_ptr, text);
        return ret;
    }
    /**
     * Puts a container's content into the output, as a packed value.
     * @param {number} container
     * @returns {number}
     */
    to_plain(container) {
        const ret = wasm.core_to_plain(this.__wbg_ptr, container);
        return ret;
    }
    /**
     * Puts the ids of the nodes below the one in the input into the output, as a packed array.
     * @param {number} tree
     * @returns {number}
     */
    tree_children(tree) {
        const ret = wasm.core_tree_children(this.__wbg_ptr, tree);
        return ret;
    }
    /**
     * A new node below the one in the input, before its `index`-th child; its id as a packed value is the output.
     * @param {number} tree
     * @param {number} index
     * @param {number} jitter
     * @param {number} now_ms
     * @returns {number}
     */
    tree_create(tree, index, jitter, now_ms) {
        const ret = wasm.core_tree_create(this.__wbg_ptr, tree, index, jitter, now_ms);
        return ret;
    }
    /**
     * Deletes the node in the input; 1 if it was there.
     * @param {number} tree
     * @param {number} now_ms
     * @returns {number}
     */
    tree_delete(tree, now_ms) {
        const ret = wasm.core_tree_delete(this.__wbg_ptr, tree, now_ms);
        return ret;
    }
    /**
     * Hangs the node in the first `node_length` bytes of the input below the one behind them; 1 if it hung elsewhere.
     * @param {number} tree
     * @param {number} node_length
     * @param {number} index
     * @param {number} jitter
     * @param {number} now_ms
     * @returns {number}
     */
    tree_move(tree, node_length, index, jitter, now_ms) {
        const ret = wasm.core_tree_move(this.__wbg_ptr, tree, node_length, index, jitter, now_ms);
        return ret;
    }
    /**
     * Puts the id of the node above the one in the input into the output, or null for the top; absent where it isn't shown.
     * @param {number} tree
     * @returns {number}
     */
    tree_parent(tree) {
        const ret = wasm.core_tree_parent(this.__wbg_ptr, tree);
        return ret;
    }
    /**
     * Puts a snapshot with the same content, fresh ids and no removal records into the output.
     * @param {bigint} agent
     * @returns {number}
     */
    trim(agent) {
        const ret = wasm.core_trim(this.__wbg_ptr, agent);
        return ret;
    }
    /**
     * Takes the newest step back; 1 if anything was left of it, or of one before.
     * @param {number} stack
     * @param {number} now_ms
     * @returns {number}
     */
    undo(stack, now_ms) {
        const ret = wasm.core_undo(this.__wbg_ptr, stack, now_ms);
        return ret;
    }
    /**
     * Ends the step under way, with the packed value in the input as its label (empty: what it has); 1 if there is one.
     * @param {number} stack
     * @returns {number}
     */
    undo_boundary(stack) {
        const ret = wasm.core_undo_boundary(this.__wbg_ptr, stack);
        return ret;
    }
    /**
     * Lets go of all steps.
     * @param {number} stack
     * @returns {number}
     */
    undo_clear(stack) {
        const ret = wasm.core_undo_clear(this.__wbg_ptr, stack);
        return ret;
    }
    /**
     * The number of the stack in the input, from now on this replica's.
     * @returns {number}
     */
    undo_decode() {
        const ret = wasm.core_undo_decode(this.__wbg_ptr);
        return ret;
    }
    /**
     * How many steps there are on a side.
     * @param {number} stack
     * @param {boolean} redo
     * @returns {number}
     */
    undo_depth(stack, redo) {
        const ret = wasm.core_undo_depth(this.__wbg_ptr, stack, redo);
        return ret;
    }
    /**
     * Puts a stack into the output.
     * @param {number} stack
     * @returns {number}
     */
    undo_encode(stack) {
        const ret = wasm.core_undo_encode(this.__wbg_ptr, stack);
        return ret;
    }
    /**
     * Puts the label of the next step of a side into the output; absent where there is none.
     * @param {number} stack
     * @param {boolean} redo
     * @returns {number}
     */
    undo_meta(stack, redo) {
        const ret = wasm.core_undo_meta(this.__wbg_ptr, stack, redo);
        return ret;
    }
    /**
     * Records nothing, in no stack, until told otherwise.
     * @param {boolean} paused
     */
    undo_pause(paused) {
        wasm.core_undo_pause(this.__wbg_ptr, paused);
    }
    /**
     * Puts the packed value in the input at the next step of a side; 1 if there is one.
     * @param {number} stack
     * @param {boolean} redo
     * @returns {number}
     */
    undo_set_meta(stack, redo) {
        const ret = wasm.core_undo_set_meta(this.__wbg_ptr, stack, redo);
        return ret;
    }
    /**
     * Begins to record, on a stack of its own; its number. The input: per scope its container, how many keys (varints), and of each
     * key the length and the UTF-8; empty: everything.
     * @returns {number}
     */
    undo_start() {
        const ret = wasm.core_undo_start(this.__wbg_ptr);
        return ret;
    }
    /**
     * Ends a stack.
     * @param {number} stack
     * @returns {number}
     */
    undo_stop(stack) {
        const ret = wasm.core_undo_stop(this.__wbg_ptr, stack);
        return ret;
    }
    /**
     * Room for `length` UTF-16 units; its address (even).
     * @param {number} length
     * @returns {number}
     */
    units(length) {
        const ret = wasm.core_units(this.__wbg_ptr, length);
        return ret >>> 0;
    }
    /**
     * Puts the version into the output.
     */
    version() {
        wasm.core_version(this.__wbg_ptr);
    }
}
if (Symbol.dispose) Core.prototype[Symbol.dispose] = Core.prototype.free;

/**
 * A replay under way.
 */
export class Replaying {
    static __wrap(ptr) {
        const obj = Object.create(Replaying.prototype);
        obj.__wbg_ptr = ptr;
        ReplayingFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        ReplayingFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_replaying_free(ptr, 0);
    }
}
if (Symbol.dispose) Replaying.prototype[Symbol.dispose] = Replaying.prototype.free;

/**
 * Where the room for short updates is. It has 1,024 bytes, for all replicas.
 * @returns {number}
 */
export function room() {
    const ret = wasm.room();
    return ret >>> 0;
}
function __wbg_get_imports() {
    const import0 = {
        __proto__: null,
        __wbg___wbindgen_throw_4c88d8bf264fd984: function(arg0, arg1) {
            throw new Error(getStringFromWasm0(arg0, arg1));
        },
        __wbindgen_init_externref_table: function() {
            const table = wasm.__wbindgen_externrefs;
            table.set(0, undefined);
            table.set(1024, undefined);
            table.set(1025, null);
            table.set(1026, true);
            table.set(1027, false);
        },
    };
    return {
        __proto__: null,
        "./joinery_core_bg.js": import0,
    };
}

const CoreFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_core_free(ptr, 1));
const ReplayingFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_replaying_free(ptr, 1));

function _assertClass(instance, klass) {
    if (!(instance instanceof klass)) {
        throw new Error(`expected instance of ${klass.name}`);
    }
}

function getStringFromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return decodeText(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(bytes) {
    numBytesDecoded += bytes.length;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
        cachedTextDecoder.decode();
        numBytesDecoded = bytes.length;
    }
    return cachedTextDecoder.decode(bytes);
}

let wasmModule, wasmInstance, wasm;
function __wbg_finalize_init(instance, module) {
    wasmInstance = instance;
    wasm = instance.exports;
    wasmModule = module;
    cachedUint8ArrayMemory0 = null;
    wasm.__wbindgen_start();
    return wasm;
}

async function __wbg_load(module, imports) {
    if (typeof Response === 'function' && module instanceof Response) {
        if (!module.ok) {
            throw new Error(`failed to fetch Wasm: ${module.status} ${module.statusText} fetching '${module.url}'`);
        }

        if (typeof WebAssembly.instantiateStreaming === 'function') {
            try {
                return await WebAssembly.instantiateStreaming(module, imports);
            } catch (e) {
                const validResponse = expectedResponseType(module.type);

                if (validResponse && module.headers.get('Content-Type') !== 'application/wasm') {
                    console.warn("`WebAssembly.instantiateStreaming` failed because your server does not serve Wasm with `application/wasm` MIME type. Falling back to `WebAssembly.instantiate` which is slower. Original error:\n", e);

                } else { throw e; }
            }
        }

        const bytes = await module.arrayBuffer();
        return await WebAssembly.instantiate(bytes, imports);
    } else {
        const instance = await WebAssembly.instantiate(module, imports);

        if (instance instanceof WebAssembly.Instance) {
            return { instance, module };
        } else {
            return instance;
        }
    }

    function expectedResponseType(type) {
        switch (type) {
            case 'basic': case 'cors': case 'default': return true;
        }
        return false;
    }
}

function initSync(module) {
    if (wasm !== undefined) return wasm;


    if (module !== undefined) {
        if (Object.getPrototypeOf(module) === Object.prototype) {
            ({module} = module)
        } else {
            console.warn('using deprecated parameters for `initSync()`; pass a single object instead')
        }
    }

    const imports = __wbg_get_imports();
    if (!(module instanceof WebAssembly.Module)) {
        module = new WebAssembly.Module(module);
    }
    const instance = new WebAssembly.Instance(module, imports);
    return __wbg_finalize_init(instance, module);
}

let __wbg_init_promise;
async function __wbg_init(module_or_path) {
    if (wasm !== undefined) return wasm;
    if (__wbg_init_promise === undefined) {
        __wbg_init_promise = __wbg_init_once(module_or_path);
        __wbg_init_promise.catch(() => { __wbg_init_promise = undefined; });
    }
    return __wbg_init_promise;
}

async function __wbg_init_once(module_or_path) {

    if (module_or_path !== undefined) {
        if (Object.getPrototypeOf(module_or_path) === Object.prototype) {
            ({module_or_path} = module_or_path)
        } else {
            console.warn('using deprecated parameters for the initialization function; pass a single object instead')
        }
    }

    if (module_or_path === undefined) {
        module_or_path = new URL('joinery_core_bg.wasm', import.meta.url);
    }
    const imports = __wbg_get_imports();

    if (typeof module_or_path === 'string' || (typeof Request === 'function' && module_or_path instanceof Request) || (typeof URL === 'function' && module_or_path instanceof URL)) {
        module_or_path = fetch(module_or_path);
    }

    const { instance, module } = await __wbg_load(await module_or_path, imports);

    return __wbg_finalize_init(instance, module);
}

export { initSync, __wbg_init as default };
