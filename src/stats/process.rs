//! What stays the same of this process as long as it runs.

use super::{memory, os};

/// Facts about the process, found once at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub id: u32,
    /// The path of the program.
    pub executable: String,
    /// The operating system, as `uname -srm` names it.
    pub os: String,
    /// The service manager that is told: `no` or `systemd`.
    pub supervised: &'static str,
    /// Bytes in use when the server began to serve.
    pub startup_memory_bytes: u64,
}

impl Process {
    /// This process, as it is now.
    pub fn current() -> Process {
        let executable = std::env::current_exe().unwrap_or_default();
        Process {
            id: std::process::id(),
            executable: executable.display().to_string(),
            os: os::name(),
            supervised: "no",
            startup_memory_bytes: memory::used_bytes(),
        }
    }
}
