//! INFO server, cpu and cluster.

use super::{Facts, Fields};
use crate::command::connection::REDIS_VERSION;
use crate::stats::os::{self, CpuTime, Whose};

/// Bits of Redis's clock of access times, in seconds.
const LRU_CLOCK_BITS: u32 = 24;

pub(super) fn server(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let node = facts.node;
    let config = &node.config;
    let uptime_s = node.turn.now().since(node.started.now()) / 1000;
    let unix_s = node.turn.unix_us / 1_000_000;
    fields.add("redis_version", REDIS_VERSION);
    fields.add("stillpoint_version", env!("CARGO_PKG_VERSION"));
    fields.add("redis_git_sha1", "00000000");
    fields.zeros(&["redis_git_dirty", "redis_build_id"]);
    let mode = if config.cluster_enabled {
        "cluster"
    } else {
        "standalone"
    };
    fields.add("redis_mode", mode);
    fields.add("os", &node.process.os);
    fields.add("arch_bits", usize::BITS);
    fields.add("monotonic_clock", "POSIX clock_gettime");
    fields.add("multiplexing_api", "epoll");
    fields.add("atomicvar_api", "core::sync::atomic");
    fields.add("gcc_version", "0.0.0");
    fields.add("process_id", node.process.id);
    fields.add("process_supervised", node.process.supervised);
    fields.add("run_id", &node.run_id);
    fields.add("tcp_port", node.tcp_port());
    fields.add("server_time_usec", node.turn.unix_us);
    fields.add("uptime_in_seconds", uptime_s);
    fields.add("uptime_in_days", uptime_s / (24 * 3600));
    fields.add("hz", config.hz);
    fields.add("configured_hz", config.hz);
    fields.add("lru_clock", unix_s & ((1 << LRU_CLOCK_BITS) - 1));
    fields.add("executable", &node.process.executable);
    let file = config.file.as_deref();
    fields.add(
        "config_file",
        file.map_or(String::new(), |file| file.display().to_string()),
    );
    fields.add("io_threads_active", 0);
    if let Some(shutdown) = &node.shutdown {
        let left_ms = shutdown.deadline().since(node.now());
        fields.add("shutdown_in_milliseconds", left_ms);
    }
}

pub(super) fn cpu(_: &Facts<'_>, fields: &mut Fields<'_>) {
    for (whose, suffix) in [
        (Whose::Process, ""),
        (Whose::Children, "_children"),
        (Whose::Thread, "_main_thread"),
    ] {
        let CpuTime { system_us, user_us } = os::cpu_time(whose);
        for (name, us) in [("sys", system_us), ("user", user_us)] {
            let seconds = format_args!("{}.{:06}", us / 1_000_000, us % 1_000_000).to_string();
            fields.add(&format!("used_cpu_{name}{suffix}"), seconds);
        }
    }
}

pub(super) fn cluster(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let enabled = facts.node.settings.cluster_enabled;
    fields.add("cluster_enabled", u8::from(enabled));
}
