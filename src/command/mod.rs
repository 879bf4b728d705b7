//! Commands: what they declare ([`spec`]), what they see ([`context`]), how they end early ([`halt`]); then one file a
//! family, each command's declaration beside its handler.

pub mod context;
pub mod cursors;
pub mod halt;
pub mod keyspace;
pub mod parse;
pub mod spec;
pub mod string;
pub mod table;
#[cfg(test)]
pub mod testing;

pub use context::{ControlCtx, DataCtx};
pub use halt::{Halt, Run, Wait};
pub use spec::{Class, Flags, Handler, KeySpec, Spec};
