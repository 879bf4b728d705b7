//! Settings changed at run time: what concerns sockets, threads, the log and the engine.

use super::Server;
use crate::storage::disk::DiskGauge;

impl Server {
    /// Applies settings that CONFIG SET has changed; `names` are the table's.
    pub(super) fn config_changed(&mut self, names: &[&'static str]) {
        for &name in names {
            match name {
                "loglevel" => self.log.set_level(self.node.config.loglevel),
                "wal-sync" => {
                    let policy = super::start::wal_policy(self.node.config.wal_sync);
                    if let Some(committer) = &mut self.committer {
                        committer.set_policy(policy);
                    }
                }
                "disk-reserve" => {
                    self.disk = DiskGauge::new(self.node.config.disk_reserve);
                    self.cron.look_at_disk_soon();
                }
                "slowlog-max-len" => {
                    let max = self.node.config.slowlog_max_len as usize;
                    self.node.stats.slowlog.entries.truncate(max);
                }
                other => self.apply_engine_setting(other),
            }
        }
        self.update_stall();
    }

    fn apply_engine_setting(&mut self, name: &str) {
        if let Some(option) = self.node.config.rocksdb.family_option(name)
            && let Ok(rocks) = self.node.view.database()
            && let Err(error) = rocks.set_family_option(option.name, &option.value)
        {
            log::error!(
                "RocksDB does not take {} {}: {error}",
                option.name,
                option.value
            );
        }
    }
}
