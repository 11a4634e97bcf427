//! What a quiet tenant notices of another that floods a slow receiver.

use std::sync::Arc;
use std::time::Duration;

use postrider_tests::settings::scaled;

use crate::load::{self, Client, Shape};
use crate::process::{Server, Storage};
use crate::receiver::Receiver;

/// How many events the flood has, times `POSTRIDER_TEST_SCALE`.
const FLOOD: usize = 50_000;

/// How many requests of the flood are under way at a time.
const FLOODERS: usize = 4;

/// The quiet tenant's latencies, in order of length.
pub(crate) struct Quiet {
    pub(crate) alone: Vec<Duration>,
    pub(crate) beside: Vec<Duration>,
}

/// Publishes at a steady pace, alone and then while another tenant floods.
pub(crate) async fn run(receiver: &Arc<Receiver>, storage: Storage, pace: (u32, u32)) -> Quiet {
    let server = Server::start(storage).await;
    let quiet = Client::prepare_as("quiet", &server, receiver, &["/hook/0".to_owned()]).await;
    let flood = Client::prepare_as("flood", &server, receiver, &["/slow".to_owned()]).await;
    let alone = load::paced(&quiet, receiver, pace.0, pace.1).await;
    let flooding = load::publish(&flood, Shape::Batch, scaled(FLOOD).max(100), FLOODERS);
    let (beside, ()) = tokio::join!(load::paced(&quiet, receiver, pace.0, pace.1), flooding);
    server.stop().await;
    Quiet { alone, beside }
}
