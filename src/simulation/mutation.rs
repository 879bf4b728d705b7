//! Takes a part of the server out, to show that the simulation notices. Only in unit tests, on the thread that asks.

use std::cell::Cell;

/// What can be taken out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The gate's look at the pause.
    PauseCheck,
    /// Replies wait for the commit that they depend on.
    ReplyGating,
    /// A switch, or a change of role, waits for the commits under way.
    Drain,
    /// The role is in the state file before it counts, and an offer before it leaves.
    DurableRole,
    /// A token that was decided once stays so: a cancelled offer is not honoured.
    TokenCheck,
    /// WAIT counts the replicas that have acknowledged, not all there are.
    Acknowledgements,
    /// Who waits for keys or acknowledgements is told that his node is a replica now.
    Unblocking,
    /// A node without a state file writes the role of its configuration into the first one.
    ConfiguredRole,
    /// What was at the flusher when the feeder started reaches the replicas before the next write.
    Backlog,
}

impl Part {
    /// The parts by the names that the environment knows them by.
    pub const ALL: [(&str, Part); 9] = [
        ("pause-check", Part::PauseCheck),
        ("reply-gating", Part::ReplyGating),
        ("drain", Part::Drain),
        ("durable-role", Part::DurableRole),
        ("token-check", Part::TokenCheck),
        ("acknowledgements", Part::Acknowledgements),
        ("unblocking", Part::Unblocking),
        ("configured-role", Part::ConfiguredRole),
        ("backlog", Part::Backlog),
    ];
}

thread_local! {
    static TAKEN_OUT: Cell<Option<Part>> = const { Cell::new(None) };
}

/// Whether this part is taken out.
pub fn is_out(part: Part) -> bool {
    TAKEN_OUT.get() == Some(part)
}

/// Takes a part out for as long as this lives.
pub struct Without(());

impl Without {
    pub fn new(part: Part) -> Without {
        TAKEN_OUT.set(Some(part));
        Without(())
    }
}

impl Drop for Without {
    fn drop(&mut self) {
        TAKEN_OUT.set(None);
    }
}
