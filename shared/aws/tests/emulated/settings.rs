//! What the environment says about a run of these tests.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The emulator's program.
pub(crate) fn ministack() -> PathBuf {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/ministack");
    let program = variable("POSTRIDER_MINISTACK").map_or_else(installed, PathBuf::from);
    assert!(
        program.exists(),
        "{} is missing: run `make tools`, or name the program in POSTRIDER_MINISTACK",
        program.display()
    );
    program
}

/// The seed of this run, printed so that the run can be repeated.
#[expect(clippy::print_stdout, reason = "a test's output is where its seed is looked for")]
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    let seed = *SEED.get_or_init(|| {
        let chosen = variable("POSTRIDER_TEST_SEED").map(|text| text.parse().expect("POSTRIDER_TEST_SEED"));
        chosen.unwrap_or_else(|| RandomState::new().hash_one("seed"))
    });
    // In the output of every test that uses it.
    println!("POSTRIDER_TEST_SEED={seed}");
    seed
}

#[expect(clippy::disallowed_methods, reason = "this is where the tests' configuration is read")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}
