//! Runs scenarios as tests, each on a thread of its own, and stops what was started for them.
//!
//! The standard test harness has no place for the end of a run; this one does, and is used like it.

use std::process::ExitCode;
use std::sync::OnceLock;

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

use crate::Target;

/// How many scenarios run at a time: most of them wait for most of their time.
const PARALLEL: usize = 8;

/// A test.
pub struct Scenario(Trial);

impl Scenario {
    /// A test of the shared target.
    pub fn new<F: Future<Output = ()>>(
        name: &str,
        body: impl Fn(&'static Target) -> F + Send + 'static,
    ) -> Self {
        Self::alone(name, move || body(Target::shared()))
    }

    /// A test that starts what it needs by itself.
    pub fn alone<F: Future<Output = ()>>(name: &str, body: impl Fn() -> F + Send + 'static) -> Self {
        Self(Trial::test(name, move || {
            runtime().block_on(body());
            Ok(())
        }))
    }
}

/// The scenarios of some modules, by the names of their functions.
#[macro_export]
macro_rules! scenarios {
    ($($module:ident: $($name:ident),+;)+) => {
        vec![$($($crate::Scenario::new(
            concat!(stringify!($module), "::", stringify!($name)),
            $module::$name,
        )),+),+]
    };
}

/// Runs scenarios as the command line asks. The first ones begin first.
pub fn run(scenarios: Vec<Scenario>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    let trials = scenarios.into_iter().map(|scenario| scenario.0).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    Target::stop(conclusion.has_failed());
    conclusion.exit_code()
}

/// The runtime of this process. Receivers and clients outlive single steps of a scenario on it.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().unwrap())
}

/// Tells the person at the terminal something, also when all goes well.
#[expect(clippy::print_stderr, reason = "what a test measured, or what helps to find out why it failed")]
pub fn say(text: &str) {
    eprintln!("{text}");
}
