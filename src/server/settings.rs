//! What CONFIG SET has changed, where it concerns sockets, threads, the log and the engine.
//!
//! What the world outside may refuse is applied before CONFIG SET answers ([`Outside`]); the rest after the turn's commands.

use super::{Server, listening, open_files};
use crate::config::Config;
use crate::node::{Applier, Refused};
use crate::reactor::Listeners;
use crate::replication::feeder::ToFeeder;
use crate::storage::disk::DiskGauge;

/// The settings that the operating system has a word in: addresses and open files.
pub(super) struct Outside {
    pub listeners: Listeners,
    /// `max_open_files` that RocksDB was opened with.
    pub engine_files: i32,
}

impl Applier for Outside {
    fn apply(&mut self, config: &Config, changed: &[&'static str]) -> Result<(), Refused> {
        if changed.contains(&"maxclients") {
            let allowed = open_files::allow(config.maxclients, self.engine_files);
            allowed.map_err(|possible| Refused {
                setting: "maxclients",
                reason: format!(
                    "The operating system is not able to handle the specified number of clients, try with {possible}"
                ),
            })?;
        }
        let address = changed
            .iter()
            .find(|name| matches!(**name, "port" | "bind"));
        if let Some(&setting) = address {
            listening::rebind(config, &self.listeners).map_err(|text| {
                log::info!("CONFIG SET {setting}: {text}");
                let reason = if setting == "port" {
                    "Unable to listen on this port. Check server logs."
                } else {
                    "Failed to bind to specified addresses."
                };
                Refused {
                    setting,
                    reason: reason.to_owned(),
                }
            })?;
            for local in self.listeners.locals() {
                log::info!("accepting connections on {local}");
            }
        }
        Ok(())
    }
}

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
                "masterauth"
                | "masteruser"
                | "replica-announce-ip"
                | "replica-announce-port"
                | "replication-connect-timeout-ms" => {
                    self.link_settings_changed();
                }
                "repl-timeout" => {
                    self.link_settings_changed();
                    let seconds = self.node.config.repl_timeout_s;
                    self.feeding.tell(ToFeeder::SetTimeout(seconds));
                    self.shipping_settings_changed();
                }
                "max-replication-mb" => self.shipping_settings_changed(),
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
