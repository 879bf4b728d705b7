//! A node as it is when its server starts.

use super::{Node, Role};
use crate::clock::Clock;
use crate::command::context::{DataSettings, Rng};
use crate::config::Config;
use crate::stats::process::Process;
use crate::storage::keys::KeyCodec;
use crate::storage::rocks::Rocks;
use crate::storage::view::View;

impl Node {
    /// A primary over `rocks` without clients. Its ids, and what its commands draw by lot, follow from `seed`.
    pub fn new(
        config: Config,
        rocks: Rocks,
        clock: Box<dyn Clock>,
        process: Process,
        seed: u64,
    ) -> Node {
        let started = clock.turn();
        let mut rng = Rng::new(seed);
        let run_id: String = (0..40)
            .map(|_| char::from_digit(rng.below(16) as u32, 16).unwrap_or('0'))
            .collect();
        let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let replication_id: String = (0..16)
            .map(|_| letters[rng.below(36) as usize] as char)
            .collect();
        let last_seq = rocks.last_seq();
        let view = View::new(rocks, &replication_id, config.hot_cache_size as usize);
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
            replication_id,
            view,
            last_seq,
            synced_seq: None,
            clients: Default::default(),
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
            gated_list: Vec::new(),
            closing_list: Vec::new(),
            scratch: Vec::new(),
            config,
        };
        node.refresh_settings();
        node
    }
}
