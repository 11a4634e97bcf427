//! What `make bench-lambda` prints: the size of each packaged function, how long it takes to start, and the
//! memory it takes under load, beside the budgets.
//!
//! The functions run as they would on Lambda, with a runtime API, a stub of AWS and a receiver in this process.
//! These answer over plain HTTP: no TLS is negotiated, neither at the start nor under load.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark stops at the first surprise, and prints"
)]

mod aws;
mod functions;
mod instance;
mod load;
mod report;
mod runtime_api;

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::aws::Aws;
use crate::functions::Function;
use crate::instance::Instance;
use crate::load::Stack;
use crate::report::Figures;

/// How often each function is started, after once that does not count.
const STARTS: usize = 11;

#[tokio::main]
async fn main() -> ExitCode {
    let packages = std::env::args_os().nth(1).map_or_else(usual_folder, PathBuf::from);
    if let Some(missing) = Function::ALL.into_iter().find(|function| !program(&packages, *function).is_file())
    {
        let folder = packages.display();
        eprintln!("{} is not packaged in {folder}: `make build` does that", missing.name());
        return ExitCode::from(2);
    }
    let cores = std::thread::available_parallelism().unwrap();
    let others = fs::read_to_string("/proc/loadavg").unwrap();
    let others = others.split(' ').next().unwrap_or_default();
    println!("{cores} cores, {ARCH}, load average {others} before, {STARTS} starts\n");

    let aws = Aws::start().await;
    let mut figures = Vec::new();
    for loaded in Stack::new(&packages, &aws).await.load_all().await {
        let size = fs::metadata(program(&packages, loaded.function)).unwrap().len();
        let starts = start_often(loaded.function, &packages, &aws).await;
        figures.push(Figures { size, starts, loaded });
    }
    let exceeded = report::print(&figures);
    for exceeded in &exceeded {
        eprintln!("{exceeded}");
    }
    if exceeded.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where `make build` puts the functions for this machine's processor.
fn usual_folder() -> PathBuf {
    let architecture = if ARCH == "aarch64" { "arm64" } else { ARCH };
    PathBuf::from(format!("target/lambda-{architecture}"))
}

fn program(packages: &Path, function: Function) -> PathBuf {
    packages.join(function.name()).join("bootstrap")
}

/// How long a function took to start, in order of length.
async fn start_often(function: Function, packages: &Path, aws: &Aws) -> Vec<Duration> {
    let mut starts = Vec::new();
    for _ in 0..=STARTS {
        let (instance, start) = Instance::start(function, packages, aws).await;
        starts.push(start);
        instance.stop().await;
    }
    // The first one also read the program from the disk.
    starts.remove(0);
    starts.sort_unstable();
    starts
}
