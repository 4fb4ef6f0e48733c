//! Explores the wider share and prints the states of each scope: `cargo run [-- --bounded] [SCOPE…]` in this folder. It ends
//! with status 1 when a property doesn't hold. The bounded share is also a part of `cargo test`.

use joinery_model::{BOUNDED, WIDE};
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|argument| argument.starts_with("--"));
    let scopes = if flags.iter().any(|flag| *flag == "--bounded") {
        BOUNDED
    } else {
        WIDE
    };
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| *wanted == name);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut states, mut found) = (0, 0);
    for scope in scopes.iter().filter(|scope| wanted(scope.name)) {
        let started = Instant::now();
        let explored = scope.explore(threads);
        states += explored.states;
        found += explored.faults.len();
        let took = started.elapsed().as_secs_f32();
        println!("  rust {:<15} {:>9} states, {took:.1} s", scope.name, explored.states);
        for (name, path) in explored.faults {
            println!("  FAILED: {name}, after {path}");
        }
    }
    println!("  rust: {states} states, {found} properties failed");
    if found == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
