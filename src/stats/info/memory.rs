//! INFO memory.

use super::{Facts, Fields};
use crate::stats::memory::{Memory, allocator_name, human};

pub(super) fn memory(facts: &Facts<'_>, fields: &mut Fields<'_>) {
    let memory = Memory::of(facts.node);
    let with_human = |fields: &mut Fields<'_>, name: &str, bytes: u64| {
        fields.add(name, bytes);
        fields.add(&format!("{name}_human"), human(bytes));
    };
    with_human(fields, "used_memory", memory.used);
    with_human(fields, "used_memory_rss", memory.resident);
    with_human(fields, "used_memory_peak", memory.peak);
    fields.add(
        "used_memory_peak_perc",
        format_args!("{:.2}%", memory.peak_percent()),
    );
    fields.add("used_memory_overhead", memory.overhead());
    fields.add("used_memory_startup", memory.startup);
    fields.add("used_memory_dataset", memory.dataset());
    fields.add(
        "used_memory_dataset_perc",
        format_args!("{:.2}%", memory.dataset_percent()),
    );
    fields.add("allocator_allocated", memory.allocator.allocated);
    fields.add("allocator_active", memory.allocator.active);
    fields.add("allocator_resident", memory.allocator.resident);
    with_human(fields, "total_system_memory", memory.machine);
    scripts(fields);
    with_human(fields, "maxmemory", facts.node.config.maxmemory);
    fields.add("maxmemory_policy", "noeviction");
    ratios(&memory, fields);
    fields.zeros(&[
        "mem_not_counted_for_evict",
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_clients_slaves",
    ]);
    fields.add("mem_clients_normal", memory.clients);
    fields.zeros(&["mem_cluster_links", "mem_aof_buffer"]);
    fields.add("mem_allocator", allocator_name());
    fields.zeros(&[
        "active_defrag_running",
        "lazyfree_pending_objects",
        "lazyfreed_objects",
    ]);
    fields.add("mem_hot_cache", memory.hot_cache);
    fields.add("mem_uncommitted_writes", memory.overlay);
    fields.add("mem_rocksdb_block_cache", memory.block_cache);
    fields.add("mem_rocksdb_memtables", memory.memtables);
    fields.add("mem_rocksdb_table_readers", memory.table_readers);
}

/// There are no scripts yet.
fn scripts(fields: &mut Fields<'_>) {
    fields.zeros(&["used_memory_lua", "used_memory_vm_eval"]);
    fields.add("used_memory_lua_human", human(0));
    fields.zeros(&[
        "used_memory_scripts_eval",
        "number_of_cached_scripts",
        "number_of_functions",
        "number_of_libraries",
        "used_memory_vm_functions",
        "used_memory_vm_total",
    ]);
    fields.add("used_memory_vm_total_human", human(0));
    fields.zeros(&["used_memory_functions", "used_memory_scripts"]);
    fields.add("used_memory_scripts_human", human(0));
}

fn ratios(memory: &Memory, fields: &mut Fields<'_>) {
    for (name, (ratio, bytes)) in [
        ("allocator_frag", memory.allocator_fragmentation()),
        ("allocator_rss", memory.allocator_slack()),
        ("rss_overhead", memory.process_overhead()),
        ("mem_fragmentation", memory.fragmentation()),
    ] {
        fields.add(&format!("{name}_ratio"), format_args!("{ratio:.2}"));
        fields.add(&format!("{name}_bytes"), bytes);
    }
}
