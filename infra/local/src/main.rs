//! `postrider`: the whole system in one process. This file only wires; see `stack` for what is wired.

mod config;
mod demo;
mod dev;
mod receiver;
mod server;
mod stack;

use std::process::ExitCode;

use clap::Parser;

use crate::config::{Arguments, Command};

/// The C library's allocator took 29 % of the samples of a profile under load, this one half of that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    use_small_pages();
    let Arguments { command, log } = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(log))
        .with_writer(std::io::stderr)
        .init();
    let result = match command {
        Command::Dev(config) => dev::run(config),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            dev::complain(&format!("postrider: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Has the kernel give memory by the page that is touched, not by two megabytes. On a virtual machine, a tenth of the
/// processors' time under load went into clearing such huge pages, and a fifth more memory was resident. Where the
/// kernel refuses, it is only that.
#[cfg(target_os = "linux")]
fn use_small_pages() {
    rustix::thread::disable_transparent_huge_pages(true).ok();
}
