//! Looking things up: an event with what became of it for every endpoint, lists of deliveries, how an endpoint is
//! doing, and what became of the events of each hour.

mod health;

use std::sync::Arc;

use bytes::Bytes;
use postrider_domain::event::Audience;
use postrider_domain::{
    Delivery, DeliveryId, DeliveryStatus, Endpoint, EndpointId, Event, EventId, Reconciliation, TenantId,
};

use crate::ports::{BlobError, Blobs, TableError};
use crate::stores::delivery_lists::DeliveryFilter;
use crate::stores::event_lists::EventFilter;
use crate::stores::events::{EventSchedule, StoredEvent};
use crate::stores::reconciliations::HourFilter;
use crate::stores::{Circuits, Deliveries, Drains, Endpoints, Events, PageRequest, Paged, Reconciliations};

pub use health::{Health, Parked};

/// Something could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The store of large payloads failed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// An event, with what it means for every endpoint of its tenant.
#[derive(Debug)]
pub struct ExplainedEvent {
    /// The event.
    pub event: Event,
    /// Where it stands, if it is to be delivered later.
    pub schedule: Option<EventSchedule>,
    /// Its data, as the JSON text it came as.
    pub data: Bytes,
    /// Each endpoint.
    pub endpoints: Vec<Explanation>,
}

/// What an event means for one endpoint.
#[derive(Debug)]
pub struct Explanation {
    /// The endpoint as it is now.
    pub endpoint: Endpoint,
    /// The delivery, if there is one.
    pub delivery: Option<Delivery>,
    /// Whether the event matches the endpoint as it is now, and why or why not, in plain words.
    pub matched: Result<String, String>,
}

/// Which deliveries are asked for.
#[derive(Debug, Clone, Default)]
pub struct DeliveryQuery {
    /// For this endpoint.
    pub endpoint: Option<EndpointId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// What else must hold.
    pub filter: DeliveryFilter,
}

/// Looks things up.
#[derive(Clone)]
pub struct Lookup {
    endpoints: Endpoints,
    events: Events,
    deliveries: Deliveries,
    circuits: Circuits,
    drains: Drains,
    reconciliations: Reconciliations,
    blobs: Arc<dyn Blobs>,
}

impl Lookup {
    /// Look-ups in these stores, and what is kept beside them.
    pub fn new(endpoints: Endpoints, events: Events, deliveries: Deliveries, blobs: Arc<dyn Blobs>) -> Self {
        let (circuits, drains) = (Circuits::new(deliveries.table()), Drains::new(deliveries.table()));
        let reconciliations = Reconciliations::new(deliveries.table());
        Self { endpoints, events, deliveries, circuits, drains, reconciliations, blobs }
    }

    /// A tenant's events, newest first.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn events(
        &self,
        tenant: &TenantId,
        filter: &EventFilter,
        page: PageRequest,
    ) -> Result<Paged<StoredEvent>, TableError> {
        self.events.list(tenant, filter, page).await
    }

    /// A tenant's event, with what it means for every endpoint.
    ///
    /// # Errors
    /// When a store fails.
    pub async fn event(&self, tenant: &TenantId, id: &EventId) -> Result<Option<ExplainedEvent>, QueryError> {
        let Some(stored) = self.events.get(tenant, id).await? else { return Ok(None) };
        let data = crate::ports::blobs::load(&*self.blobs, &stored.payload).await?;
        let (event, schedule) = (stored.event, stored.schedule);
        let records = self.endpoints.all(tenant).await?;
        let ids = records.iter().map(|record| delivery_id(&event, record.endpoint.id));
        let mut deliveries = self.deliveries.get_many(tenant, ids).await?;
        let text = std::str::from_utf8(&data).unwrap_or_default();
        let endpoints = records.into_iter().map(|record| {
            let endpoint = record.endpoint;
            let matched = explain(&event, text, &endpoint);
            let delivery = deliveries.remove(&delivery_id(&event, endpoint.id));
            Explanation { endpoint, delivery, matched }
        });
        let endpoints = endpoints.collect();
        Ok(Some(ExplainedEvent { event, schedule, data, endpoints }))
    }

    /// A tenant's delivery.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>, TableError> {
        self.deliveries.get(tenant, id).await
    }

    /// A tenant's deliveries, the newest event first.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn deliveries(
        &self,
        tenant: &TenantId,
        query: &DeliveryQuery,
        page: PageRequest,
    ) -> Result<Paged<Delivery>, TableError> {
        if let Some(event) = &query.event {
            return self.deliveries_of(tenant, event, query, page).await;
        }
        if let Some(endpoint) = query.endpoint {
            return self.deliveries.list(tenant, &[endpoint], &query.filter, page).await;
        }
        let open = [DeliveryStatus::Retrying, DeliveryStatus::Parked, DeliveryStatus::Failed];
        if query.filter.status.is_some_and(|status| open.contains(&status)) {
            return self.deliveries.list_open(tenant, &query.filter, page).await;
        }
        let endpoints = self.endpoints.all(tenant).await?;
        let endpoints: Vec<_> = endpoints.into_iter().map(|record| record.endpoint.id).collect();
        self.deliveries.list(tenant, &endpoints, &query.filter, page).await
    }

    /// What became of a tenant's events, the latest hour first.
    ///
    /// # Errors
    /// When the table fails.
    pub async fn reconciliations(
        &self,
        tenant: &TenantId,
        filter: &HourFilter,
        page: PageRequest,
    ) -> Result<Paged<Reconciliation>, TableError> {
        self.reconciliations.list(tenant, filter, page).await
    }

    /// The deliveries of one event: their keys follow from the event and the tenant's endpoints.
    async fn deliveries_of(
        &self,
        tenant: &TenantId,
        event: &EventId,
        query: &DeliveryQuery,
        page: PageRequest,
    ) -> Result<Paged<Delivery>, TableError> {
        let Some(stored) = self.events.get(tenant, event).await? else {
            return Ok(Paged { items: Vec::new(), next: None });
        };
        let mut ids: Vec<DeliveryId> = match query.endpoint {
            Some(endpoint) => vec![delivery_id(&stored.event, endpoint)],
            None => {
                let endpoints = self.endpoints.all(tenant).await?;
                endpoints.iter().map(|record| delivery_id(&stored.event, record.endpoint.id)).collect()
            }
        };
        ids.retain(|id| page.after.as_ref().is_none_or(|after| id.to_string() < *after));
        let found = self.deliveries.get_many(tenant, ids).await?;
        let mut rows: Vec<_> = found.into_values().filter(|delivery| query.filter.admits(delivery)).collect();
        rows.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|delivery| delivery.id.to_string());
        Ok(Paged { items: rows, next })
    }
}

fn delivery_id(event: &Event, endpoint: EndpointId) -> DeliveryId {
    DeliveryId::derive(event.accepted_at, &event.id, endpoint)
}

/// Whether an event is for an endpoint, and why or why not.
fn explain(event: &Event, data: &str, endpoint: &Endpoint) -> Result<String, String> {
    match &event.audience {
        Audience::Endpoints(ids) if ids.contains(&endpoint.id) => {
            Ok("the publisher named this endpoint".to_owned())
        }
        Audience::Endpoints(_) => Err("the publisher named other endpoints".to_owned()),
        Audience::Defaults if endpoint.is_default => Ok("it is a default endpoint".to_owned()),
        Audience::Defaults => Err("the event is for default endpoints, and this is none".to_owned()),
        Audience::Subscribers if event.is_about(endpoint.id) => {
            Err("the event is about this endpoint itself".to_owned())
        }
        Audience::Subscribers => endpoint
            .explain_match(&event.event_type, data)
            .map(|subscription| format!("the subscription {} matches", subscription.pattern)),
    }
}
