//! What the operating system knows of this process: processor time, resident memory, open files allowed.
//!
//! Linux's `/proc` where it has the answer; the two system calls without a safe wrapper in the standard library are here.

use std::io;
use std::mem::MaybeUninit;

/// Processor time in microseconds.
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
    let who = match whose {
        Whose::Process => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
        Whose::Thread => libc::RUSAGE_THREAD,
    };
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is writable and of the type that the call fills; a zeroed `rusage` is a valid one should it fail.
    let usage = unsafe {
        libc::getrusage(who, usage.as_mut_ptr());
        usage.assume_init()
    };
    let us = |time: libc::timeval| (time.tv_sec as u64) * 1_000_000 + time.tv_usec as u64;
    CpuTime {
        system_us: us(usage.ru_stime),
        user_us: us(usage.ru_utime),
    }
}

/// How many files the process may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// What holds now.
    pub soft: u64,
    /// Up to where the process may raise it itself.
    pub hard: u64,
}

/// Reads the limit on open files (`ulimit -n`).
pub fn file_limit() -> io::Result<FileLimit> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: `limit` is writable and of the type that the call fills; it is read only after the call succeeded.
    let limit = unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.assume_init()
    };
    Ok(FileLimit {
        soft: limit.rlim_cur,
        hard: limit.rlim_max,
    })
}

/// Sets what holds now of the limit on open files.
pub fn set_file_limit(limit: FileLimit) -> io::Result<()> {
    let wanted = libc::rlimit {
        rlim_cur: limit.soft,
        rlim_max: limit.hard,
    };
    // SAFETY: the call reads `wanted`, which is of its type, and keeps nothing.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
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
        let process = cpu_time(Whose::Process);
        let thread = cpu_time(Whose::Thread);
        assert!(process.user_us + process.system_us >= thread.user_us + thread.system_us);
        assert!(name().starts_with("Linux "), "{}", name());
    }

    #[test]
    fn the_file_limit_can_be_set_to_what_it_is() {
        let limit = file_limit().expect("a limit");
        assert!(limit.soft <= limit.hard && limit.soft > 0);
        set_file_limit(limit).expect("the same limit");
        assert_eq!(file_limit().expect("a limit"), limit);
    }
}
