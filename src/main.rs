//! The command line, the logger, and the exit status; the server is the library's.

use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use stillpoint::config::cli::{self, Action};
use stillpoint::{logging, server};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<Vec<u8>> = std::env::args_os()
        .skip(1)
        .map(OsStringExt::into_vec)
        .collect();
    let cwd = std::env::current_dir().unwrap_or_default();
    let config = match cli::parse(&arguments, &mut std::io::stdin(), &cwd) {
        Action::Run(config) => config,
        Action::Print(text) => {
            // A reader that went away (`--help | head`) is no error.
            let _ = std::io::stdout().write_all(text.as_bytes());
            return;
        }
        Action::Fail(text) => {
            eprintln!("{}", text.trim_end());
            std::process::exit(1);
        }
    };
    let log = match logging::init(&config.log_target(), config.loglevel) {
        Ok(log) => log,
        Err(error) => {
            eprintln!("the log cannot be opened: {error}");
            std::process::exit(1);
        }
    };
    log::info!(
        "Stillpoint {} starting, pid {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        std::process::id(),
        config.dir.display()
    );
    for notice in config.notices() {
        log::warn!("{notice}");
    }
    let status = match server::run(*config, log) {
        Ok(status) => status,
        Err(error) => {
            log::error!("{}", error.text);
            error.status
        }
    };
    std::process::exit(status);
}
