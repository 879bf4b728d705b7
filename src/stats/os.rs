//! What the operating system knows of this process: processor time, resident memory, open files allowed.
//!
//! Linux's `/proc` where it has the answer.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Processor time in microseconds, as fine as `/proc` counts it: in hundredths of a second on nearly every system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    pub system_us: u64,
    pub user_us: u64,
}

/// Whose processor time is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// All threads of this process.
    Process,
    /// Processes that it started and that have ended.
    Children,
    /// The calling thread.
    Thread,
}

/// Processor time used so far; zero where the system does not say.
pub fn cpu_time(whose: Whose) -> CpuTime {
    let file = match whose {
        Whose::Process | Whose::Children => "/proc/self/stat",
        Whose::Thread => "/proc/thread-self/stat",
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    ticks(&text, whose == Whose::Children).unwrap_or_default()
}

/// The times in a `stat` file of `/proc`: those of its process, or of that one's children.
fn ticks(text: &str, of_children: bool) -> Option<CpuTime> {
    // The second field is the program's name, in parentheses, and may hold anything; the times are the 14th to 17th.
    let (_, rest) = text.rsplit_once(')')?;
    let at = if of_children { 13 } else { 11 };
    let mut fields = rest.split_ascii_whitespace().skip(at);
    let per_second = rustix::param::clock_ticks_per_second();
    let mut us = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        ticks.checked_mul(1_000_000)?.checked_div(per_second)
    };
    Some(CpuTime {
        user_us: us()?,
        system_us: us()?,
    })
}

/// How many files the process may open; `u64::MAX` is as many as the system can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// What holds now.
    pub soft: u64,
    /// Up to where the process may raise it itself.
    pub hard: u64,
}

/// Reads the limit on open files (`ulimit -n`).
pub fn file_limit() -> FileLimit {
    let limit = getrlimit(Resource::Nofile);
    FileLimit {
        soft: limit.current.unwrap_or(u64::MAX),
        hard: limit.maximum.unwrap_or(u64::MAX),
    }
}

/// Sets what holds now of the limit on open files.
pub fn set_file_limit(limit: FileLimit) -> io::Result<()> {
    let finite = |files| (files != u64::MAX).then_some(files);
    let wanted = Rlimit {
        current: finite(limit.soft),
        maximum: finite(limit.hard),
    };
    Ok(setrlimit(Resource::Nofile, wanted)?)
}

/// Bytes of this process in memory; `None` where `/proc` does not say.
pub fn resident_bytes() -> Option<u64> {
    field_kib(
        &std::fs::read_to_string("/proc/self/status").ok()?,
        "VmRSS:",
    )
}

/// Bytes of this process in huge pages; `None` where `/proc` does not say.
pub fn huge_page_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    field_kib(&text, "AnonHugePages:")
}

/// Bytes of memory of this machine; `None` where `/proc` does not say.
pub fn machine_memory_bytes() -> Option<u64> {
    field_kib(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// The operating system as `uname -srm` names it.
pub fn name() -> String {
    let read = |file: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.trim().to_owned()
    };
    format!(
        "{} {} {}",
        read("/proc/sys/kernel/ostype"),
        read("/proc/sys/kernel/osrelease"),
        std::env::consts::ARCH
    )
}

/// A field of a `/proc` file of the form `Name:   123 kB`, in bytes.
fn field_kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_bytes() {
        let text = "VmPeak:\t  9999 kB\nVmRSS:\t    12 kB\nThreads:\t4\n";
        assert_eq!(field_kib(text, "VmRSS:"), Some(12 * 1024));
        assert_eq!(field_kib(text, "VmSwap:"), None);
        assert_eq!(field_kib(text, "Threads:"), None);
    }

    #[test]
    fn the_process_has_memory_and_used_some_time() {
        assert!(resident_bytes() > Some(1 << 20));
        assert!(machine_memory_bytes() > resident_bytes());
        let thread = cpu_time(Whose::Thread);
        let process = cpu_time(Whose::Process);
        assert!(process.user_us + process.system_us >= thread.user_us + thread.system_us);
        assert!(name().starts_with("Linux "), "{}", name());
    }

    #[test]
    fn processor_time_is_read_in_microseconds() {
        let text = "4711 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 700 300 20 10 20 0 9";
        let per_second = rustix::param::clock_ticks_per_second();
        let us = |ticks: u64| ticks * 1_000_000 / per_second;
        let times = |user, system| CpuTime {
            system_us: us(system),
            user_us: us(user),
        };
        assert_eq!(ticks(text, false), Some(times(700, 300)));
        assert_eq!(ticks(text, true), Some(times(20, 10)));
        assert_eq!(ticks("4711 (x) S 1", false), None);
        assert_eq!(ticks("", true), None);
    }

    #[test]
    fn the_file_limit_can_be_set_to_what_it_is() {
        let limit = file_limit();
        assert!(limit.soft <= limit.hard && limit.soft > 0);
        set_file_limit(limit).expect("the same limit");
        assert_eq!(file_limit(), limit);
    }
}
