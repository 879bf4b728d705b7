//! MEMORY DOCTOR: what is odd about the memory of the process.

use super::memory::{Memory, human};

/// Below this nothing can be said.
const LITTLE_BYTES: u64 = 5 << 20;
/// Differences below this do not matter, whatever their ratio.
const MATTERS_BYTES: i64 = 10 << 20;
/// A client's buffers above this, on average, are large.
const LARGE_CLIENT_BYTES: u64 = 200 << 10;

/// The report for a server with so many clients. The bounds are those of Redis 7.0's report.
pub fn report(memory: &Memory, clients: u64) -> String {
    if memory.used < LITTLE_BYTES {
        return format!(
            "The server uses {} only: too little to tell anything from it.\n",
            human(memory.used)
        );
    }
    let findings = findings(memory, clients);
    if findings.is_empty() {
        return "Nothing is odd about the server's memory.\n".to_owned();
    }
    let mut text = "This was found:\n\n".to_owned();
    for finding in findings {
        text.push_str(" * ");
        text.push_str(&finding);
        text.push_str("\n\n");
    }
    text
}

fn findings(memory: &Memory, clients: u64) -> Vec<String> {
    let is_high = |(ratio, bytes): (f64, i64), limit: f64| ratio > limit && bytes > MATTERS_BYTES;
    let mut found = Vec::new();
    if memory.peak as f64 > memory.used as f64 * 1.5 {
        found.push(format!(
            "Peak: {} were in use at some time, {} are now. What was given back to the allocator is used again before new \
             memory is asked for; MEMORY PURGE gives free pages to the operating system.",
            human(memory.peak),
            human(memory.used)
        ));
    }
    if is_high(memory.fragmentation(), 1.4) {
        found.push(format!(
            "Total overhead: the process has {} in memory for {} in use. After a peak that is harmless; else the \
             workload fragments the allocator.",
            human(memory.resident),
            human(memory.used)
        ));
    }
    if is_high(memory.allocator_fragmentation(), 1.1) {
        found.push(format!(
            "Fragmentation: the allocator's pages in use hold {} but are {}.",
            human(memory.allocator.allocated),
            human(memory.allocator.active)
        ));
    }
    if is_high(memory.allocator_slack(), 1.1) {
        found.push(format!(
            "Unused pages: the allocator keeps {} in memory of which {} are in use; MEMORY PURGE gives the rest back.",
            human(memory.allocator.resident),
            human(memory.allocator.active)
        ));
    }
    if is_high(memory.process_overhead(), 1.1) {
        found.push(format!(
            "Memory outside the allocator: the process has {} in memory, the allocator knows of {}. Files that RocksDB maps \
             and the program itself are the usual reason.",
            human(memory.resident),
            human(memory.allocator.resident)
        ));
    }
    if memory.clients / clients.max(1) > LARGE_CLIENT_BYTES {
        found.push(format!(
            "Clients: their buffers take {}, {} each. CLIENT LIST shows which do not read their replies or send very long \
             pipelines; client-output-buffer-limit bounds them.",
            human(memory.clients),
            human(memory.clients / clients.max(1))
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::memory::Allocator;
    use super::*;

    const MIB: u64 = 1 << 20;

    fn healthy() -> Memory {
        Memory {
            used: 100 * MIB,
            peak: 120 * MIB,
            resident: 110 * MIB,
            clients: MIB,
            allocator: Allocator {
                allocated: 100 * MIB,
                active: 102 * MIB,
                resident: 104 * MIB,
                ..Allocator::default()
            },
            ..Memory::default()
        }
    }

    #[test]
    fn a_healthy_or_empty_server_is_told_so() {
        assert!(report(&healthy(), 10).starts_with("Nothing is odd"));
        assert!(report(&Memory::default(), 1).contains("too little"));
    }

    #[test]
    fn each_oddity_is_named() {
        type Change = fn(&mut Memory);
        let odd: [(&str, Change); 6] = [
            ("Peak:", |memory| memory.peak = 151 * MIB),
            ("Total overhead:", |memory| memory.resident = 150 * MIB),
            ("Fragmentation:", |memory| {
                memory.allocator.active = 115 * MIB
            }),
            ("Unused pages:", |memory| {
                memory.allocator.resident = 130 * MIB
            }),
            ("Memory outside", |memory| memory.resident = 125 * MIB),
            ("Clients:", |memory| memory.clients = 10 * 201 * 1024),
        ];
        for (name, change) in odd {
            let mut memory = healthy();
            change(&mut memory);
            let text = report(&memory, 10);
            assert!(text.contains(&format!(" * {name}")), "{name}: {text}");
        }
        let mut small = healthy();
        small.allocator.allocated = 20 * MIB;
        small.allocator.active = 23 * MIB;
        assert!(!report(&small, 10).contains("Fragmentation:"));
    }
}
