//! How many bytes the functions log, counted from the lines that they write as JSON.

use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::instrument::WithSubscriber as _;
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Write for Counter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(line.len(), Ordering::Relaxed);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Counter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Runs something to its end. Answers its result and how many bytes it logged at level info.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, usize) {
    let counter = Counter::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(counter.clone())
        .finish();
    let result = work.with_subscriber(subscriber).await;
    (result, counter.0.load(Ordering::Relaxed))
}
