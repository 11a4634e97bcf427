//! The receivers: they answer what they are told, and know how often each event reached each of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use ipnet::IpNet;
use postrider_application::ports::outbound::Refusal;
use postrider_application::ports::{Clock as _, Outbound, OutboundError, OutboundRequest, OutboundResponse};
use url::Url;

use crate::answers::Answer;
use crate::clock::TestClock;

/// How long a receiver takes to answer.
pub const ANSWERS_AFTER: Duration = Duration::from_millis(100);

/// Stands for all receivers, and for the way to them.
pub struct Receivers {
    clock: Arc<TestClock>,
    answer: Mutex<Answer>,
    calls: Mutex<HashMap<(String, String), usize>>,
}

impl Receivers {
    /// Receivers on this clock, which answer as an application on Express does.
    pub fn new(clock: Arc<TestClock>) -> Self {
        Self { clock, answer: Mutex::new(Answer::Express), calls: Mutex::default() }
    }

    /// Lets them answer otherwise.
    pub fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How often each event reached each URL: by URL and event id.
    pub fn calls(&self) -> HashMap<(String, String), usize> {
        self.calls.lock().unwrap().clone()
    }

    /// How often they were called in all.
    pub fn total(&self) -> usize {
        self.calls.lock().unwrap().values().sum()
    }
}

#[async_trait]
impl Outbound for Receivers {
    async fn send(&self, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let event = request.headers["webhook-id"].to_str().unwrap().to_owned();
        *self.calls.lock().unwrap().entry((request.url.to_string(), event)).or_default() += 1;
        let answered_at = self.clock.now().after(ANSWERS_AFTER);
        // Others are at work in the meantime.
        tokio::task::yield_now().await;
        self.clock.forward_to(answered_at);
        Ok(self.answer.lock().unwrap().response())
    }

    fn check_url(&self, _: &Url, _: &[IpNet]) -> Result<(), Refusal> {
        Ok(())
    }
}
