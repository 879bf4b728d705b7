//! A small file system in memory, to be filled. That takes root's rights.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Server, Setup, say_skipped};

pub const MIB: usize = 1 << 20;

/// A small file system, partly filled; gone with the value.
pub struct SmallDisk {
    mount: TempDir,
}

impl SmallDisk {
    /// Of so many MiB, with a file of so many on it; `None`, said aloud, where it cannot be mounted.
    pub fn new(test: &str, size_mib: usize, filled_mib: usize) -> Option<SmallDisk> {
        let mount = tempfile::tempdir().expect("a temporary directory");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size_mib}m"), "tmpfs"])
            .arg(mount.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => {}
            Ok(output) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                say_skipped(
                    test,
                    &format!("a small file system cannot be mounted: {why}"),
                );
                return None;
            }
            Err(error) => {
                say_skipped(test, &format!("there is no command to mount with: {error}"));
                return None;
            }
        }
        let disk = SmallDisk { mount };
        let mut filler = File::create(disk.filler()).expect("the filler");
        filler
            .write_all(&vec![1; filled_mib * MIB])
            .expect("room for the filler");
        Some(disk)
    }

    /// The file that fills it.
    pub fn filler(&self) -> PathBuf {
        self.mount.path().join("filler")
    }

    /// Removes the file that fills it.
    pub fn make_room(&self) {
        std::fs::remove_file(self.filler()).expect("the filler removed");
    }

    /// A server with its data on this disk, and its log elsewhere.
    pub fn start(&self, setup: Setup, log: &Path) -> Server {
        let dir = tempfile::tempdir_in(self.mount.path()).expect("a directory on the small disk");
        setup
            .arg("--rocksdb.write_buffer_size", "4")
            .arg("--logfile", &log.to_string_lossy())
            .start_in(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: after a failed test a server may still be on its way out.
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.mount.path())
            .status();
    }
}
