//! Jobs: redriving dead letters and replaying deliveries, many at once.
//!
//! A job is an item in the ledger and a chain of messages in the queue `events`, one for each portion. A portion
//! sends the messages of its deliveries, spread over the time that the job's rate gives it, then saves the job with
//! its new place and counts on the condition that nobody else did, then sends the message of the next portion. The
//! number of the portion that is next is in the job and in the message, so that of two chains one ends.
//!
//! A portion that is repeated, after a crash anywhere, sends nothing twice: the worker that begins an attempt notes
//! in the delivery for which job it does, and a message that is still on its way is for the same attempt as the
//! second one, of which the ledger admits one.

mod manage;
mod portion;
mod redrive;
mod replay;
mod run;

pub use manage::{Estimate, JobRequest, ManageJobError, ManageJobs};
pub use run::{RunJobError, RunJobs};
