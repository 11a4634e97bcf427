//! An instance of a function: its process, with a runtime API of its own.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use postrider_tests::process::memory_bytes;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::aws::Aws;
use crate::functions::Function;
use crate::runtime_api::RuntimeApi;

/// When a function that has not done what it should is given up: far above what it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running instance that has asked for an invocation.
pub(crate) struct Instance {
    function: Function,
    child: Child,
    api: RuntimeApi,
    folder: TempDir,
}

/// What the system counts of an instance's memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) now: u64,
    /// The most that was resident at a time.
    pub(crate) peak: u64,
}

impl Instance {
    /// Starts the packaged program. Answers how long it took until it first asked for an invocation, too.
    pub(crate) async fn start(function: Function, packages: &Path, aws: &Aws) -> (Self, Duration) {
        let folder = tempfile::tempdir().unwrap();
        let api = RuntimeApi::start().await;
        let program = packages.join(function.name()).join("bootstrap");
        let log = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program.canonicalize().unwrap());
        command
            .env_clear()
            .envs(function.environment(api.address, aws.address))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true);
        let spawned = Instant::now();
        let child = command.spawn().unwrap();
        let mut instance = Self { function, child, api, folder };
        let polled = tokio::select! {
            polled = tokio::time::timeout(PATIENCE, instance.api.polled()) => polled.ok(),
            _ = instance.child.wait() => None,
        };
        let Some(polled) = polled else { instance.give_up() };
        (instance, polled.duration_since(spawned))
    }

    /// Has an event dealt with.
    pub(crate) async fn invoke(&mut self, event: Value) -> Value {
        let answer = tokio::select! {
            answer = tokio::time::timeout(PATIENCE, self.api.invoke(event)) => answer.ok(),
            _ = self.child.wait() => None,
        };
        answer.unwrap_or_else(|| self.give_up())
    }

    pub(crate) fn memory(&self) -> Memory {
        let bytes = |field| memory_bytes(self.child.id().unwrap(), field);
        Memory { now: bytes("VmRSS"), peak: bytes("VmHWM") }
    }

    /// Ends the process, as Lambda does with an instance that is not needed any more.
    pub(crate) async fn stop(mut self) {
        self.child.kill().await.unwrap();
    }

    fn give_up(&self) -> ! {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        panic!("{} ended or does nothing any more; it logged:\n{log}", self.function.name());
    }
}
