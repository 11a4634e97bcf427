//! What changes of a circuit ask for, done; and changes that a person asks for.
//!
//! A change is written together with what has to follow. That is done next, and crossed off only then: whoever dies
//! in between leaves it to the schedule.

use std::time::Duration;

use postrider_domain::circuit::{DISABLED_AFTER, Notice};
use postrider_domain::{Circuit, CircuitState, Endpoint, EndpointId, TenantId, Timestamp};

use super::{ChangeStatus, EndpointError};
use crate::announce::{News, Report};
use crate::messages::ReleaseMessage;
use crate::ports::queue::{MAX_DELAY, send_all};
use crate::ports::{OutgoingMessage, QueueName};
use crate::stores::Circuits;

/// Does what circuits ask for.
#[derive(Clone)]
pub struct Breaker {
    status: ChangeStatus,
}

impl ChangeStatus {
    /// What does the circuits' work, in the same stores.
    pub fn breaker(&self) -> Breaker {
        Breaker { status: self.clone() }
    }
}

impl Breaker {
    /// The circuits.
    pub(crate) fn circuits(&self) -> &Circuits {
        &self.status.circuits
    }

    /// An endpoint as it is stored.
    pub(crate) async fn endpoint(
        &self,
        tenant: &TenantId,
        id: EndpointId,
    ) -> Result<Option<Endpoint>, EndpointError> {
        Ok(self.status.endpoints.get(tenant, id).await?.map(|record| record.endpoint))
    }

    /// Opens an endpoint's circuit until a moment, or until somebody closes it.
    ///
    /// # Errors
    /// When there is no such endpoint or a store fails.
    pub async fn open(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        wait: Option<Duration>,
        by: &str,
    ) -> Result<Circuit, EndpointError> {
        let now = self.status.clock.now();
        let until = wait.map(|wait| now.after(wait));
        self.change(tenant, id, now, |circuit| circuit.open_by_hand(now, until, by)).await
    }

    /// Closes an endpoint's circuit: everything goes on.
    ///
    /// # Errors
    /// When there is no such endpoint or a store fails.
    pub async fn close(&self, tenant: &TenantId, id: EndpointId) -> Result<Circuit, EndpointError> {
        let now = self.status.clock.now();
        self.change(tenant, id, now, |circuit| circuit.close_by_hand(now)).await
    }

    /// Closes the circuit of an endpoint whose configuration was changed, unless a person opened it: what failed
    /// before says nothing about what is there now.
    ///
    /// # Errors
    /// When there is no such endpoint or a store fails.
    pub async fn forgive(&self, tenant: &TenantId, id: EndpointId) -> Result<(), EndpointError> {
        let now = self.status.clock.now();
        let forgive = |circuit: &mut Circuit| {
            let is_by_hand = matches!(circuit.state, CircuitState::Open { by_hand: true, .. });
            (!circuit.is_untroubled() && !is_by_hand).then(|| {
                circuit.close_by_hand(now);
            })
        };
        let (circuit, changed) = self.circuits().change(tenant, id, None, now, forgive).await?;
        if changed.is_some() {
            let endpoint = self.endpoint(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
            self.act(&endpoint, circuit).await?;
        }
        Ok(())
    }

    async fn change(
        &self,
        tenant: &TenantId,
        id: EndpointId,
        now: Timestamp,
        change: impl Fn(&mut Circuit),
    ) -> Result<Circuit, EndpointError> {
        let endpoint = self.endpoint(tenant, id).await?.ok_or(EndpointError::Unknown(id))?;
        let change = |circuit: &mut Circuit| {
            change(circuit);
            Some(())
        };
        let (circuit, changed) = self.circuits().change(tenant, id, None, now, change).await?;
        changed.ok_or(EndpointError::Contended(id))?;
        self.act(&endpoint, circuit).await
    }

    /// Does what a circuit that was just written or read asks for, and crosses it off. Answers the circuit as it
    /// stands then.
    ///
    /// # Errors
    /// When something cannot be done. It is still asked for then.
    pub(crate) async fn act(&self, endpoint: &Endpoint, circuit: Circuit) -> Result<Circuit, EndpointError> {
        if circuit.notices.is_empty() {
            return Ok(circuit);
        }
        for notice in &circuit.notices {
            self.heed(endpoint, &circuit, *notice).await?;
        }
        let (done, now) = (circuit.notices.clone(), self.status.clock.now());
        let cross_off = |circuit: &mut Circuit| {
            let is_asked_for = circuit.notices.iter().any(|notice| done.contains(notice));
            is_asked_for.then(|| circuit.done(&done, now))
        };
        let (tenant, id) = (&endpoint.tenant, endpoint.id);
        Ok(self.circuits().change(tenant, id, Some(circuit), now, cross_off).await?.0)
    }

    async fn heed(
        &self,
        endpoint: &Endpoint,
        circuit: &Circuit,
        notice: Notice,
    ) -> Result<(), EndpointError> {
        let report = |news, key: String, reason: String, since, next| Report {
            news,
            endpoint,
            key,
            reason,
            since: Some(since),
            next,
        };
        let error = circuit.last_error.as_deref().unwrap_or("no details");
        let report = match notice {
            Notice::Release => return self.release(endpoint, None).await,
            Notice::Probe { at } => return self.release(endpoint, Some(at)).await,
            Notice::Disable { since } => {
                let why = format!("it did not work for 5 days, since {since}; the last error: {error}");
                return self.status.disable(&endpoint.tenant, endpoint.id, &why).await;
            }
            Notice::Opened { at } => {
                tracing::warn!(tenant.id = %endpoint.tenant, endpoint.id = %endpoint.id, "circuit opened");
                let reason = match &circuit.opened_by {
                    Some(by) => format!("opened by {by}"),
                    None => format!("{} failures in a row; the last error: {error}", circuit.failures),
                };
                report(News::CircuitOpened, at.as_millis().to_string(), reason, at, circuit.open_until())
            }
            Notice::Closed { at } => {
                tracing::info!(tenant.id = %endpoint.tenant, endpoint.id = %endpoint.id, "circuit closed");
                let reason = "it takes deliveries again".to_owned();
                report(News::CircuitClosed, at.as_millis().to_string(), reason, at, None)
            }
            Notice::Warning { since, percent } => {
                let reason = format!("it does not work; the last error: {error}");
                let key = format!("{}-{percent}", since.as_millis());
                report(News::EndpointWarning, key, reason, since, Some(since.after(DISABLED_AFTER)))
            }
        };
        Ok(self.status.announce.tell(&report).await?)
    }

    /// Lets parked deliveries go on: all, or a few as probes at a moment. What is further away than a queue can
    /// hold a message is for the schedule, which finds the circuit then.
    async fn release(&self, endpoint: &Endpoint, probes: Option<Timestamp>) -> Result<(), EndpointError> {
        let wait = probes.map(|at| at.since(self.status.clock.now())).unwrap_or_default();
        if wait > MAX_DELAY {
            return Ok(());
        }
        self.send_release(endpoint, probes.is_some(), wait).await
    }

    /// Sends the message that lets parked deliveries go on.
    pub(crate) async fn send_release(
        &self,
        endpoint: &Endpoint,
        as_probes: bool,
        wait: Duration,
    ) -> Result<(), EndpointError> {
        let message = ReleaseMessage::of_circuit(&endpoint.tenant, endpoint.id, as_probes);
        let message = OutgoingMessage::of(&endpoint.tenant, message, wait);
        Ok(send_all(&*self.status.queue, QueueName::Events, vec![message]).await?)
    }
}
