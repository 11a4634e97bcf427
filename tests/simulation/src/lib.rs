//! The real use cases in a simulated world, to find out whether anything can be lost.
//!
//! A seed stands for a world: its endpoints and how their receivers behave, its events, what people do, how many
//! instances of the functions there are, and what goes wrong. The use cases are the real ones, on the embedded
//! table. The clock is virtual, the queues promise what SQS promises and no more, and calls of the table, the
//! queues and the store of payloads fail before or after they take effect, or are the last thing that a worker
//! does. The same seed gives the same run.

mod checks;
mod executor;
mod furnish;
mod indexes;
mod instance;
mod plan;
mod ports;
mod queues;
mod random;
mod receivers;
mod switches;
mod watch;
mod world;

use self::world::World;

/// What became of a world.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What does not hold; empty when all is well.
    pub failures: Vec<String>,
    /// How many events were accepted.
    pub events: usize,
    /// How many requests the receivers got.
    pub requests: usize,
    /// How much time passed in the world, in milliseconds.
    pub milliseconds: u64,
    /// Everything that happened, if it was kept.
    pub trace: Vec<String>,
    /// Follows from everything that happened, if it was kept.
    pub digest: u64,
}

/// Lets the world of a seed run its course. Needs a tokio runtime's context, for the table's threads.
pub fn run(seed: u64, traced: bool) -> Report {
    let world = World::new(seed, traced);
    world.run();
    let report = Report {
        seed,
        failures: checks::failures(&world),
        events: world.accepted().len(),
        requests: world.receivers.calls().len(),
        milliseconds: world.simulation.now() - world::EPOCH,
        trace: world.simulation.take_trace(),
        digest: world.simulation.digest(),
    };
    world.simulation.end();
    report
}
