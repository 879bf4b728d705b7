//! Replication by sequence number, in Kvrocks's protocol: its pure parts, and the threads around them.
//!
//! Nothing in the pure parts uses a socket, a file, a clock, randomness or a lock; threads and the loop drive them: bytes, events
//! and a time in, values and actions out. In reading order:
//!
//! 1. [`wire`]: what a replica sends to get a link, and what the answers mean; [`requests`]: how a primary reads it.
//!    [`frames`]: what then travels on it, both ways. [`files`]: the file list and the file bodies of a full copy.
//! 2. [`history`]: the ids that name histories, and whether a peer may continue from where it stands.
//!    [`parting`]: where two histories parted, and how much a copy gives up.
//! 3. [`handshake`]: the replica's side of a link, from connecting to streaming, copying or trying again. [`acks`]: when it
//!    says what it has applied.
//! 4. [`progress`]: the primary's table of replicas: who was sent and has acknowledged what; WAIT, INFO and ROLE read it.
//! 5. [`ring`]: what was committed lately, in memory, for replicas that keep up; [`feeding`]: what is sent to each, and when.
//!    [`rate`]: a limit that senders share.
//! 6. [`takeover`]: the target's side of a planned switch ([`crate::failover`] is the old primary's).
//!
//! Not pure are [`feeder`], [`follower`] and [`offer_link`], the threads with the sockets of links; and the two sides of a full copy, blocking
//! code on sockets of its own ([`mod@connect`], [`timed`]): [`full_copy`] ships a checkpoint, [`fetch`] fetches one; [`evidence`] reads the log for a PSYNC.
//!
//! A batch that arrives is validated by [`crate::storage::received`] before anything is done with it.
//!
//! # Between two Stillpoints
//!
//! The protocol is Kvrocks's in every byte until both sides have agreed on more: after its address a replica sends
//! `replconf stillpoint <version> run-id <id>`, and a Stillpoint answers `+OK <version> <run ids>`, the run ids being its
//! own and those of the primaries above it. A Kvrocks answers `-ERR unknown option`, which means no. From then on the
//! primary may send [`frames::Frame::Status`], `Path` and `Message` beside the batches, a refused PSYNC says where the
//! histories parted, and the replica acknowledges at once what it has applied.
//!
//! # A link, from the first byte
//!
//! ```text
//! replica                                                            primary
//! *2 AUTH masterauth                                               ► +OK                       only with masterauth
//! *1 _db_name                                                      ► change.me.db              a bare line; must be equal
//! *3 replconf listening-port 6666 (ip-address 10.0.0.2)            ► +OK
//! *5 replconf stillpoint 1 run-id 0123...                          ► +OK 1 89ab...             or -ERR unknown option
//! *3 PSYNC ABCDEFGHIJ012345 951  (or *2 PSYNC 951)                 ► +OK, then the stream      or -ERR: a full copy
//! *3 replconf ack 961                                              ◄ $<len> batch, $4 ping, $7 _getack, +status ...
//! ```

pub mod acks;
pub mod connect;
pub mod evidence;
pub mod feeder;
pub mod feeding;
pub mod fetch;
pub mod files;
pub mod follower;
pub mod frames;
pub mod full_copy;
pub mod handshake;
pub mod history;
pub mod offer_link;
pub mod parting;
pub mod progress;
pub mod rate;
pub mod requests;
pub mod ring;
pub mod runner;
pub mod takeover;
pub mod timed;
pub mod wire;
