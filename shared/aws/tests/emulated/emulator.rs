//! The emulator's process: started once for all tests of this process, and gone when this process is.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::settings::ministack;

/// How long a start may take.
const START: Duration = Duration::from_secs(120);

struct Emulator {
    address: String,
    /// Ends the emulator when its input is closed, which happens however this process ends.
    _watchdog: Child,
}

/// The emulator's address, such as `127.0.0.1:4566`.
pub(crate) fn address() -> &'static str {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    &EMULATOR.get_or_init(|| (0..5).find_map(|_| start()).expect("a port that stays free")).address
}

/// Starts the emulator on a free port; `None` if somebody else took it meanwhile.
fn start() -> Option<Emulator> {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::Builder::new().prefix("ministack").tempdir().unwrap().keep();
    let log = folder.join("log");
    let output = File::create(&log).unwrap();
    let program = ministack();
    let mut child = Command::new(&program)
        .env("BIND_HOST", "127.0.0.1")
        .env("GATEWAY_PORT", free.port().to_string())
        .env("IOT_MTLS_ENABLED", "0")
        .env("LOG_LEVEL", "WARNING")
        // Where it writes what it keeps of itself.
        .env("TMPDIR", &folder)
        .env("STATE_DIR", &folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
    let emulator = Emulator { address: free.to_string(), _watchdog: watch(child.id(), &folder) };
    let begun = Instant::now();
    loop {
        let ended = child.try_wait().unwrap();
        if TcpStream::connect(free).is_ok() {
            return ended.is_none().then_some(emulator);
        }
        let wrote = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(ended.is_none(), "the emulator ended; it wrote:\n{}", wrote());
        assert!(begun.elapsed() < START, "the emulator does not answer; it wrote:\n{}", wrote());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process that ends the emulator, and removes its folder, when this one ends: then its input is closed.
fn watch(emulator: u32, folder: &Path) -> Child {
    Command::new("sh")
        .args(["-c", "read _; kill -9 \"$1\" 2>/dev/null; rm -rf \"$2\"", "watchdog"])
        .arg(emulator.to_string())
        .arg(folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}
