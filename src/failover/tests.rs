//! The old primary: each transition by itself, then both sides against each other under faults.

mod machine;
mod simulation;
