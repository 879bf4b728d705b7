//! Stillpoint: a Redis-protocol server on RocksDB whose primary can be switched under full load without losing a write.
//!
//! This page is the architecture. It names modules and symbols; what each does in detail stands at the top of its file.
//!
//! # One picture
//!
//! ```text
//!            sockets                      helper threads
//!               │                              ▲ │
//!        ┌──────▼──────┐   LoopEvent    ┌──────┴─▼───────┐
//!        │   reactor   │◄───────────────┤ flusher syncer │
//!        └──────┬──────┘   (mailbox)    │ workers signals│
//!               │ bytes                 └──────▲─────────┘
//!        ┌──────▼──────┐  one turn after       │ groups, jobs
//!        │   server    ├───────────────────────┘
//!        └──────┬──────┘  another (server::turn)
//!               │ arguments
//!        ┌──────▼──────┐  gate, dispatch, handlers
//!        │   command   │
//!        └──────┬──────┘
//!               │ changes what the loop owns
//!        ┌──────▼──────┐  clients, pause, blocked list, pub/sub,
//!        │    node     │  and the view: uncommitted writes over RocksDB
//!        └──────┬──────┘
//!        ┌──────▼──────┐
//!        │   storage   │  Kvrocks's format; storage::rocks alone names RocksDB's types
//!        └─────────────┘
//! ```
//!
//! # Threads
//!
//! | thread | does | tells the loop |
//! | --- | --- | --- |
//! | loop | owns every client and runs every command; appends its own groups of writes to the WAL | - |
//! | flusher ([`storage::flusher`]) | appends groups that the loop must not: `wal-sync always`, a stall, large ones | committed, stalled, failed |
//! | syncer ([`storage::flusher`]) | fsync of the WAL once a second; it never writes | synced |
//! | readers ([`server`]) | keys and short ranges that are not in memory ([`storage::cold`]) | what they read |
//! | workers ([`server`]) | long scans, counting, expired keys, free space, compaction, reopening | the answer |
//! | signals ([`server`]) | SIGTERM, SIGINT | the signal |
//!
//! # Reading order
//!
//! [`server`] (its `turn.rs` is the list of what happens in a turn), [`reactor`], [`client`] (session, output, blocked list),
//! [`command`] (`gate.rs`, `dispatch.rs`, then any family), [`pause`], [`failover`] with [`replication::takeover`], [`node`],
//! [`storage`] (`view.rs`, `record.rs`, `commit.rs`), [`replication`] (its page is the link from the first byte on), [`resp`],
//! [`config`], [`text`], [`rdb`].
//!
//! In unit tests, `simulation` runs whole nodes on a virtual clock: the same seed gives the same trace.
//!
//! # Invariants
//!
//! - Invariant: the loop never waits. No fsync, no lock held during I/O, no write that can stall: its appends carry
//!   `no_slowdown`, and what RocksDB does not take at once goes to the flusher.
//! - Invariant: a command has no effect until its changes are in the open record; one that fails or must wait is undone to
//!   its savepoint and evaluated again from the first check.
//! - Invariant: a reply leaves after the commit of everything it shows, and after every earlier reply of its client.
//! - Invariant: while anything is paused nothing else moves the sequence number: no expiry, no background write.
//! - Invariant: [`pause`], [`failover`], [`client::waiting`], [`client::output`], [`pubsub`], [`resp`], and [`replication`] but for its two
//!   threads, use no socket, clock or lock.
//! - Invariant: a primary that has offered to hand over accepts no write until the target, or the operator, has said what it is.
//! - Invariant: arrows point one way: server → reactor, command → node → client, storage.
//!
//! # Glossary
//!
//! - *turn*: one pass of the loop; it sees one time ([`clock::Turn`]).
//! - *record*: one WAL batch, the unit of commit and of replication. *Group*: a record on its way to the WAL.
//! - *view*: what commands read and write: uncommitted records over the database.
//! - *term*: the time in which one node is the primary; its records end in the *replication id* drawn for it. *History*: those records.
//! - *gated*: a reply that waits for its commit.
//! - *park*: to put a client on the blocked list with its command; *due*: to be evaluated again.
//! - *hand over*, *take over*: what old primary and target do in a planned switch; *offer*: the message by which the role changes hands;
//!   *token*: its name, good for one time; *fate*: what became of it, taken or cancelled, which never changes.
//! - *pause*: purpose, scope (writes or all) and end; it *holds* a command back.
//!
//! # How a command flows
//!
//! 1. The loop reads a socket once a turn; [`resp::parse`] finds whole commands without copying.
//! 2. [`command::dispatch`] looks the name up and asks [`command::gate`]; the pause is its last check but one.
//! 3. The handler reads and writes through [`storage::store`] and the [`storage::view`], on a savepoint.
//! 4. At the end of the turn the open record is closed and committed; then output is sent, one write a client.
//!
//! # How a pause holds and releases
//!
//! [`pause::Pause::holds`] answers the gate; the client is parked in [`client::waiting`]. When less is held back (UNPAUSE, the
//! end of the time) the parked are due, in order of arrival, a bounded number a turn, and pass the whole gate again.
//!
//! # How to add
//!
//! - a command: its `Spec` beside its handler in the family's file; the table, COMMAND, the gate and the pause read it there.
//! - a setting: one row in `config/server.rs`; if it takes effect at run time, `server/settings.rs`.
//! - a reason to wait: a variant of [`client::waiting::Reason`], and who makes it due.
//! - a helper thread: a variant of [`server::LoopEvent`] is the only way in; it never touches a client.

// The pages are for those who work on the code: they name what is private too, and are whole with `--document-private-items`.
#![allow(rustdoc::private_intra_doc_links)]

pub mod client;
pub mod clock;
pub mod command;
pub mod config;
pub mod error;
pub mod failover;
pub mod limits;
pub mod logging;
pub mod node;
pub mod pause;
pub mod pubsub;
pub mod rdb;
pub mod reactor;
pub mod replication;
pub mod resp;
pub mod server;
#[cfg(test)]
mod simulation;
pub mod stats;
pub mod storage;
pub mod supervised;
pub mod text;
