//! What people do: they pause endpoints and let them go on, ask for deliveries again, and begin jobs. What they were
//! promised is kept, so that it can be checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::executor::block_on;
use postrider_application::jobs::JobRequest;
use postrider_application::redeliver::Settlement;
use postrider_application::stores::PageRequest;
use postrider_application::stores::dead_letters::{DeadLetter, DeadLetterFilter, DeadLetterState};
use postrider_domain::job::{Rate, Redrive, Replay, ReplayScope, Task};
use postrider_domain::{DeadLetterId, Delivery, DeliveryId, DeliveryStatus, EndpointStatus, Timestamp};

use super::{AcceptedEvent, EPOCH, World};
use crate::plan::{Deed, TROUBLE};

/// A delivery that was over, and of which somebody was told that it is made again, with a new budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promise {
    pub(crate) delivery: DeliveryId,
    /// When they asked, in milliseconds.
    pub(crate) at: u64,
}

impl World {
    pub(super) async fn act(self: Arc<Self>, at: u64, deed: Deed) {
        self.simulation.sleep(at).await;
        self.simulation.note(|| format!("{deed:?}"));
        let tenant = self.tenant.clone();
        match deed {
            Deed::Turn(endpoint, manner) => {
                if self.faults.go_on() || self.simulation.now() < EPOCH + TROUBLE {
                    self.receivers.behave(endpoint as u64, manner);
                }
            }
            Deed::Pause(number) => self.set_status(number, EndpointStatus::Paused).await,
            Deed::Resume(number) => self.set_status(number, EndpointStatus::Active).await,
            Deed::Retry(event, endpoint) => {
                let Some(event) = self.lock().accepted.get(&event).cloned() else { return };
                let id = DeliveryId::derive(event.at, &event.id, self.endpoints[endpoint]);
                *self.lock().asked_again.entry(id).or_default() += 1;
                let asked = self.that_are_over([id]);
                let retried = self
                    .request(
                        |instance| async move { instance.redeliver.retry(&tenant, id, "somebody").await },
                    )
                    .await;
                if let Some(Ok(_)) = retried {
                    self.promise(asked);
                }
            }
            Deed::Replay(number) => {
                let scope = ReplayScope {
                    endpoint: self.endpoints[number],
                    since: Timestamp::default(),
                    until: Timestamp::from_millis(self.simulation.now() + self.plan.skew),
                    status: None,
                    event_types: Vec::new(),
                    to_endpoint: None,
                };
                let events = self.accepted();
                let of_event =
                    |event: &AcceptedEvent| DeliveryId::derive(event.at, &event.id, scope.endpoint);
                let asked = self.that_are_over(events.iter().map(of_event));
                self.start_job(Task::Replay(Replay::Endpoint(scope)), asked).await;
            }
            Deed::RedriveAll => {
                // Those that a clock which is ahead dates after the job's own moment are not meant.
                let known_to_all =
                    Timestamp::from_millis(self.simulation.now().saturating_sub(self.plan.skew));
                let mut letters = self.pending_letters();
                letters.retain(|letter| letter.created_at < known_to_all);
                let asked = self.given_up(&letters).into_values().collect();
                self.start_job(Task::Redrive(Redrive::default()), asked).await;
            }
            Deed::Redrive => {
                self.lock().redrives += 1;
                let letters = self.pending_letters();
                let mut asked = self.given_up(&letters);
                let ids = letters.iter().map(|letter| letter.id).collect();
                let settled = self
                    .request(|instance| async move {
                        let redrive = Settlement::Redrive;
                        instance.redeliver.settle_all(&tenant, ids, redrive, "somebody", None).await
                    })
                    .await;
                let done = settled.into_iter().flatten().filter(|(_, result)| result.is_ok());
                // An earlier letter of a delivery promises nothing about the one that it failed with since.
                self.promise(done.filter_map(|(letter, _)| asked.remove(&letter)).collect());
            }
        }
    }

    /// Sets an endpoint's status, and tries again until that is confirmed.
    async fn set_status(self: &Arc<Self>, number: usize, status: EndpointStatus) {
        let id = self.endpoints[number];
        self.switches.begin(number);
        loop {
            let tenant = self.tenant.clone();
            let set = self
                .request(move |instance| async move { instance.status.set(&tenant, id, status).await })
                .await;
            if let Some(Ok(_)) = set {
                self.switches.end(number, status, self.simulation.now());
                return;
            }
            self.simulation.sleep(500).await;
        }
    }

    /// Begins a job that deals, among others, with what was asked for.
    async fn start_job(self: &Arc<Self>, task: Task, asked: Vec<Promise>) {
        self.lock().jobs += 1;
        let tenant = self.tenant.clone();
        let request = JobRequest { task, rate: Rate::default(), note: None };
        let started = self
            .request(|instance| async move { instance.jobs.start(&tenant, request, "somebody").await })
            .await;
        if let Some(Ok(_)) = started {
            self.promise(asked);
        }
    }

    fn pending_letters(&self) -> Vec<DeadLetter> {
        let filter = DeadLetterFilter { state: Some(DeadLetterState::Pending), ..Default::default() };
        let page = PageRequest { limit: 100, after: None };
        let letters = block_on(self.dead_letters.list(&self.tenant, &filter, page));
        letters.map(|page| page.items).unwrap_or_default()
    }

    /// Those of these deliveries that nobody is at. Of others it cannot be told which attempts were asked for.
    fn that_are_over(&self, deliveries: impl IntoIterator<Item = DeliveryId>) -> Vec<Promise> {
        let is_over = |delivery: &Delivery| {
            matches!(delivery.status, DeliveryStatus::Failed | DeliveryStatus::Delivered)
        };
        let over = deliveries.into_iter().filter(|id| self.stored(*id).is_some_and(|found| is_over(&found)));
        over.map(|delivery| Promise { delivery, at: self.simulation.now() }).collect()
    }

    /// What these dead letters stand for, each by its letter, and was not made again since.
    fn given_up(&self, letters: &[DeadLetter]) -> BTreeMap<DeadLetterId, Promise> {
        let is_given_up = |letter: &&DeadLetter| {
            let found = letter.delivery.and_then(|id| self.stored(id));
            found.is_some_and(|delivery| {
                delivery.status == DeliveryStatus::Failed && delivery.dead_letter == Some(letter.id)
            })
        };
        let at = self.simulation.now();
        let given_up = letters.iter().filter(is_given_up);
        given_up.filter_map(|letter| Some((letter.id, Promise { delivery: letter.delivery?, at }))).collect()
    }

    fn stored(&self, id: DeliveryId) -> Option<Delivery> {
        block_on(self.deliveries.get(&self.tenant, id)).ok().flatten()
    }

    fn promise(&self, asked: Vec<Promise>) {
        self.lock().promises.extend(asked);
    }

    /// What somebody was told.
    pub(crate) fn promises(&self) -> Vec<Promise> {
        self.lock().promises.clone()
    }

    /// Lets jobs go on that failed or came to nothing, as a person does who sees it.
    pub(super) async fn resume_jobs(self: Arc<Self>) {
        for job in self.open_jobs() {
            let tenant = self.tenant.clone();
            self.request(|instance| async move { instance.jobs.resume(&tenant, job.id).await }).await;
        }
    }
}
