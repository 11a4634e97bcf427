//! The programs that verify with the libraries for other languages. They are installed when they are needed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use crate::cases::Case;

/// What the library for Python says of each case.
pub(crate) fn python(cases: &[Case]) -> Vec<String> {
    let here = installed();
    verdicts(&here.join("../../.venv/bin/python"), &here.join("verify.py"), cases)
}

/// What the library for JavaScript says of each case.
pub(crate) fn node(cases: &[Case]) -> Vec<String> {
    let here = installed();
    verdicts(Path::new("node"), &here.join("verify.mjs"), cases)
}

/// What the ed25519 of Node.js says of each case, whose secret is a JSON Web Key Set. Nothing is installed for it.
pub(crate) fn node_with_key_sets(cases: &[Case]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/verify-jwks.mjs");
    verdicts(Path::new("node"), &script, cases)
}

/// The folder of the programs, after their libraries were installed.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers");
        let script = here.join("install.sh");
        let status = Command::new(&script).status();
        assert!(
            status.as_ref().is_ok_and(std::process::ExitStatus::success),
            "{}: {status:?}",
            script.display()
        );
        here
    })
}

fn verdicts(program: &Path, script: &Path, cases: &[Case]) -> Vec<String> {
    let lines: String = cases
        .iter()
        .map(|case| {
            let body = BASE64.encode(&case.body);
            format!("{}\n", json!({"secret": case.secret, "headers": case.headers, "body": body}))
        })
        .collect();
    let mut child = Command::new(program)
        .arg(script)
        .env("PYTHONIOENCODING", "utf-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    // Written beside reading, so that neither side waits for a full pipe.
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "{}: {}", script.display(), output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
