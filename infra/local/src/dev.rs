//! `postrider dev`: start everything, show that it works, run until asked to stop.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::DevConfig;
use crate::stack::{Settings, Stack};
use crate::{demo, server};

/// How long requests under way may take once the server is asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Says something to the person at the terminal, or to whatever reads standard output, at once.
pub(crate) fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    // A reader that has gone does not matter.
    writeln!(output, "{line}").and_then(|()| output.flush()).ok();
}

/// Says why the program ends.
pub(crate) fn complain(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}

/// Runs until Ctrl-C or SIGTERM.
pub(crate) fn run(config: DevConfig) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(run_until_stopped(config));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run_until_stopped(config: DevConfig) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let circuit_rules = config.circuit_rules()?;
    let listener = server::listen(config.addr).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let folder = (!config.in_memory).then_some(config.data.as_path());
    // A server that listens on every address does not know by which of them it is reached.
    let is_known = !listener.local_addr()?.ip().is_unspecified();
    let public_url = config.public_url.or_else(|| base.parse().ok().filter(|_| is_known));
    let settings = Settings {
        allowed: &config.allow_cidrs.0,
        platform_key: config.platform_key,
        circuit_rules,
        public_url,
    };
    let stack = Stack::start(folder, settings).await?;
    let router = server::router(&stack);
    let (stop, mut stopped) = watch::channel(false);
    let asked_to_stop = async move {
        stopped.wait_for(|stop| *stop).await.ok();
    };
    let mut serving = tokio::spawn(server::serve(listener, router, asked_to_stop));
    match folder {
        Some(folder) => say(&format!("data in {}", folder.display())),
        None => say("data in memory: nothing is kept"),
    }
    say(&format!("listening on {base}"));

    let running = async {
        if !config.no_demo {
            demo::run(&stack, &base).await?;
        }
        std::future::pending::<anyhow::Result<()>>().await
    };
    tokio::select! {
        result = running => result?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        result = &mut serving => result.context("the server stopped")?,
    }

    say("stopping: waiting for attempts under way");
    stop.send_replace(true);
    // A client that keeps its connection open does not hold up the end.
    if tokio::time::timeout(GRACE, &mut serving).await.is_err() {
        serving.abort();
    }
    stack.stop().await;
    say("stopped");
    Ok(())
}
