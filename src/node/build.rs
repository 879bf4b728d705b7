//! A node as it is when its server starts.

use super::replication::Replication;
use super::{Node, Role};
use crate::client::gated::Gated;
use crate::clock::Clock;
use crate::command::context::{DataSettings, Rng};
use crate::config::Config;
use crate::failover::Failover;
use crate::replication::history::History;
use crate::replication::takeover::Takeover;
use crate::replication::takeover::wire::RunId;
use crate::stats::process::Process;
use crate::storage::keys::KeyCodec;
use crate::storage::replication_id::ReplicationId;
use crate::storage::rocks::Rocks;
use crate::storage::view::View;

impl Node {
    /// A primary over `rocks` without clients. Its ids, and what its commands draw by lot, follow from `seed`; `last_record` is the id
    /// that the last record in the database ends in.
    pub fn new(
        config: Config,
        rocks: Rocks,
        last_record: Option<ReplicationId>,
        clock: Box<dyn Clock>,
        process: Process,
        seed: u64,
    ) -> Node {
        let started = clock.turn();
        let mut rng = Rng::new(seed);
        let run_digits: [u8; 40] =
            std::array::from_fn(|_| b"0123456789abcdef"[rng.below(16) as usize % 16]);
        let run_id = String::from_utf8_lossy(&run_digits).into_owned();
        let replication_id = ReplicationId::draw(|bound| rng.below(bound));
        let last_seq = rocks.last_seq();
        let mut replication = Replication::default();
        replication.history = History::of_directory(last_record);
        replication.history.begin_term(replication_id, last_seq);
        let view = View::new(rocks, replication_id, config.hot_cache_size as usize);
        let mut node = Node {
            codec: KeyCodec {
                slot_encoded: config.cluster_enabled,
            },
            settings: DataSettings::default(),
            clock,
            turn: started,
            stamp_us: started.mono_us,
            rng,
            role: Role::Primary,
            run_id,
            replication,
            failover: Failover::new(RunId::from_digits(run_digits)),
            takeover: Takeover::default(),
            view,
            last_seq,
            synced_seq: None,
            clients: Default::default(),
            reading: None,
            pause: Default::default(),
            waiting: Default::default(),
            watches: Default::default(),
            pubsub: Default::default(),
            monitors: Vec::new(),
            noted: Vec::new(),
            changes: Default::default(),
            cursors: Default::default(),
            stats: Default::default(),
            write_refusal: None,
            read_refusal: None,
            disk_free_bytes: None,
            is_stalled: false,
            is_commit_held_up: false,
            is_reopening: false,
            renames: Default::default(),
            active_expire: true,
            key_counting: Default::default(),
            cold_reads: Default::default(),
            process,
            any_port: 0,
            applier: None,
            started,
            shutdown: None,
            requests: Vec::new(),
            output_list: Vec::new(),
            input_list: Vec::new(),
            gated: Gated::default(),
            closing_list: Vec::new(),
            scratch: Vec::new(),
            config,
        };
        node.refresh_settings();
        node
    }
}
