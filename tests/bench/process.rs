//! The `postrider` program as a process of its own, with what the system counts of it.

use std::fs;
use std::process::Stdio;

use postrider_tests::process::memory_bytes;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Where the stack keeps its data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Storage {
    Memory,
    File,
}

impl Storage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "in memory",
            Self::File => "on a file",
        }
    }
}

/// A running stack.
pub(crate) struct Server {
    pub(crate) base: String,
    child: Child,
    _output: Lines<BufReader<ChildStdout>>,
    _folder: tempfile::TempDir,
}

/// The operator's key of the benchmark's own servers.
pub(crate) const PLATFORM_KEY: &str = "benchmark-platform-key";

/// Clock ticks per second that `/proc` counts in (`sysconf(_SC_CLK_TCK)`, 100 on Linux).
const TICKS: f64 = 100.0;

impl Server {
    pub(crate) async fn start(storage: Storage) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The program is built beside this one.
        let program = std::env::current_exe().unwrap().with_file_name("postrider");
        let mut command = Command::new(&program);
        command
            .args(["dev", "--no-demo", "--addr", "127.0.0.1:0"])
            .env("POSTRIDER_PLATFORM_KEY", PLATFORM_KEY);
        match storage {
            Storage::Memory => command.arg("--in-memory"),
            Storage::File => command.arg("--data").arg(folder.path()),
        };
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = loop {
            let line = output.next_line().await.unwrap().unwrap();
            if let Some(base) = line.strip_prefix("listening on ") {
                break base.to_owned();
            }
        };
        Self { base, child, _output: output, _folder: folder }
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id().unwrap())).unwrap()
    }

    /// User and system time so far.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // The fields after the program's name: user time is the 12th of them, system time the 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    /// The most memory that was resident at a time.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        memory_bytes(self.child.id().unwrap(), "VmHWM")
    }

    /// Ends the process; what it kept is thrown away.
    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }
}
