//! A server process of the tests' own: started, killed, asked to stop, and never left behind.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::process::memory_bytes;
use crate::settings::settings;
use crate::wait::deadline;

/// What the program prints before its address when it accepts requests.
const READY: &str = "listening on ";

/// How long a start, and a stop on request, may take.
const USUAL: Duration = Duration::from_secs(30);

/// A running `postrider dev`. Dropped, it is killed.
pub struct Server {
    child: Child,
    watchdog: Child,
    url: String,
}

impl Server {
    /// Starts the program on a data folder and waits until it accepts requests. What it writes is added to
    /// the file `log`.
    pub fn start(data: &Path, platform_key: &str, log: &Path) -> Self {
        let mut log_file = File::options().create(true).append(true).open(log).unwrap();
        let mut child = Command::new(program())
            .args(["dev", "--addr", "127.0.0.1:0", "--no-demo", "--data"])
            .arg(data)
            .env("POSTRIDER_PLATFORM_KEY", platform_key)
            .env_remove("POSTRIDER_ALLOW_CIDRS")
            .env_remove("POSTRIDER_PUBLIC_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program().display()));
        let watchdog = watch(child.id());
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self { child, watchdog, url: String::new() };
        let (ready, is_ready) = mpsc::channel();
        // Reads on to the end, so that the server never waits for a full pipe.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                writeln!(log_file, "{line}").ok();
                if let Some(url) = line.trim().strip_prefix(READY) {
                    ready.send(url.to_owned()).ok();
                }
            }
        });
        let Ok(url) = is_ready.recv_timeout(deadline(USUAL)) else {
            panic!("the server did not print '{READY}...'; it wrote:\n{}", tail(log));
        };
        server.url = url;
        server
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How much of its memory is resident.
    pub fn resident_bytes(&self) -> u64 {
        memory_bytes(self.child.id(), "VmRSS")
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(mut self) {
        self.end();
    }

    /// Asks it to stop, as Ctrl-C does, and waits until it has.
    pub fn interrupt(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "the server ended before it was asked to");
        let begun = Instant::now();
        while begun.elapsed() < deadline(USUAL) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server did not stop on SIGINT");
    }

    /// The watchdog goes first: the number of a process that was waited for can belong to another one.
    fn end(&mut self) {
        for process in [&mut self.watchdog, &mut self.child] {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A process that kills the server when this one ends, whatever ends it: then its input is closed.
fn watch(server: u32) -> Child {
    Command::new("sh")
        .args(["-c", "read _; kill -9 \"$1\" 2>/dev/null", "watchdog", &server.to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The end of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// The program to test.
fn program() -> PathBuf {
    if let Some(program) = &settings().program {
        return program.clone();
    }
    // target/debug/deps/scenarios-0123 -> target/debug/postrider; a program of the tests' is beside it.
    let tests = std::env::current_exe().unwrap();
    let folder = tests.parent().unwrap();
    let folder = if folder.ends_with("deps") { folder.parent().unwrap() } else { folder };
    let program = folder.join(format!("postrider{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is missing: run `cargo build -p postrider` first, name another program in POSTRIDER_BIN, \
         or a running deployment in POSTRIDER_URL and POSTRIDER_PLATFORM_KEY",
        program.display()
    );
    program
}
