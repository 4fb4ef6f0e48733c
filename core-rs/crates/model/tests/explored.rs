//! The bounded share, and that the exploration finds what is planted. (The wider share: `npm run spec`.)

use joinery_model::{Edit, Plant, Scope, BOUNDED, WIDE};

/// Explores the scope of this name and prints its states.
fn explore(name: &str) {
    let scopes: Vec<_> = BOUNDED.iter().filter(|scope| scope.name == name).collect();
    assert_eq!(scopes.len(), 1, "one scope is called {name}");
    let explored = scopes[0].explore(2);
    println!("{name}: {} states", explored.states);
    assert!(explored.faults.is_empty(), "{:#?}", explored.faults);
    assert!(
        explored.states > 500,
        "{name} explores next to nothing: {}",
        explored.states
    );
}

#[test]
fn a_key_with_children_and_deletions_converges() {
    explore("key");
}

#[test]
fn children_of_every_generation_converge() {
    explore("generations");
}

#[test]
fn a_text_converges() {
    explore("text");
}

#[test]
fn a_list_converges() {
    explore("list");
}

#[test]
fn an_element_that_is_moved_is_never_there_twice_and_never_lost() {
    explore("moves");
}

#[test]
fn a_counter_counts_once() {
    explore("counter");
}

#[test]
fn a_set_keeps_what_was_added_again() {
    explore("set");
}

#[test]
fn what_is_said_of_a_text_converges() {
    explore("marks");
}

#[test]
fn a_tree_converges_also_where_two_nodes_are_hung_below_each_other() {
    explore("tree");
}

#[test]
fn three_replicas_converge() {
    explore("three");
}

/// The names of the properties that don't hold in a small scope with a planted error.
fn faults(edits: &'static [Edit], plant: Plant) -> Vec<&'static str> {
    let scope = Scope {
        name: "planted",
        replicas: 2,
        edits_each: 1,
        edits,
        exchanges: false,
        plant,
    };
    let mut names: Vec<_> = scope.explore(1).faults.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

#[test]
fn an_effect_that_comes_twice_is_found() {
    assert_eq!(faults(&[Edit::Up], Plant::Nothing), [""; 0]);
    assert_eq!(faults(&[Edit::Up], Plant::Twice), ["effectExactlyOnce"]);
}

#[test]
fn an_envelope_that_is_lost_is_found() {
    assert_eq!(faults(&[Edit::Set], Plant::Lost), ["effectExactlyOnce"]);
}

#[test]
fn every_scope_has_a_name_of_its_own() {
    for scopes in [BOUNDED, WIDE] {
        let mut names: Vec<_> = scopes.iter().map(|scope| scope.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), scopes.len());
    }
}
