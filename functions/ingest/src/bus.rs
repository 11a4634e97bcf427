//! Events of an EventBridge bus: `id` is the event's id, `detail-type` its type, `detail` its data, `source` and
//! `time` what they are called there.
//!
//! The tenant is the field `tenant` of the detail. A rule whose events have none can say it by its input:
//! `{"tenant": "acme", "event": <aws.events.event.json>}`, and there also name a `type`, for events whose
//! `detail-type` is not a Postrider event type (those of AWS's own services have spaces).

use bytes::Bytes;
use postrider_application::ingest::Publication;
use postrider_domain::event::Audience;
use postrider_domain::{EventId, EventType, TenantId, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event of the bus cannot be published, now or ever.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BusError {
    /// It is not an event of EventBridge's.
    #[error("this is no event of EventBridge, no request of API Gateway and no batch of SQS: {0}")]
    Form(#[from] serde_json::Error),
    /// Nobody says whose event it is.
    #[error("the event {id} names no tenant: neither 'tenant' in its detail nor the input of the rule")]
    NoTenant {
        /// The event's id on the bus.
        id: String,
    },
    /// A field has a value that Postrider does not take.
    #[error("the event {id} cannot be published: {field}: {reason}")]
    Field {
        /// The event's id on the bus.
        id: String,
        /// Which field.
        field: &'static str,
        /// Why.
        reason: String,
    },
}

/// What the input of a rule may put around an event; all of it is missing in an event itself.
#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    tenant: Option<String>,
    #[serde(rename = "type")]
    event_type: Option<String>,
}

/// An event of the bus.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct BusEvent<'a> {
    id: String,
    detail_type: String,
    #[serde(borrow)]
    detail: &'a RawValue,
    source: Option<String>,
    time: Option<String>,
}

/// The one field of a detail that is looked at.
#[derive(Deserialize)]
struct Detail {
    tenant: Option<String>,
}

impl BusEvent<'_> {
    /// Reads what EventBridge calls the function with. The data is a part of it.
    pub(crate) fn read(payload: &Bytes) -> Result<(TenantId, Publication), BusError> {
        let text = std::str::from_utf8(payload).unwrap_or_default();
        let wrapped: Wrapped<'_> = serde_json::from_str(text)?;
        let event: BusEvent<'_> = serde_json::from_str(wrapped.event.map_or(text, RawValue::get))?;
        let id = || event.id.clone();
        let field = |field, reason: &dyn std::fmt::Display| BusError::Field {
            id: id(),
            field,
            reason: reason.to_string(),
        };
        let detail = serde_json::from_str::<Detail>(event.detail.get()).ok();
        let tenant =
            wrapped.tenant.or_else(|| detail?.tenant).ok_or_else(|| BusError::NoTenant { id: id() })?;
        let tenant = tenant.parse().map_err(|error| field("tenant", &error))?;
        let event_type: EventType = wrapped
            .event_type
            .unwrap_or(event.detail_type.clone())
            .parse()
            .map_err(|error| field("detail-type", &error))?;
        let event_id: EventId = event.id.parse().map_err(|error| field("id", &error))?;
        let time = event.time.as_deref().map(Timestamp::parse).transpose();
        let publication = Publication {
            event_id: Some(event_id),
            event_type,
            data: event.detail.into(),
            occurred_at: time.map_err(|error| field("time", &error))?,
            source: event.source.clone(),
            correlation_id: None,
            tags: Vec::new(),
            audience: Audience::Subscribers,
            deliver_at: None,
            priority: postrider_domain::Priority::default(),
        };
        Ok((tenant, publication))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../events/ingest/bus.json");

    fn read(text: &str) -> Result<(TenantId, Publication), BusError> {
        BusEvent::read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn an_event_of_the_bus_keeps_its_id_and_its_detail_as_it_is() {
        let (tenant, publication) = read(SAMPLE).unwrap();
        assert_eq!(tenant.as_str(), "demo");
        assert_eq!(publication.event_id.unwrap().as_str(), "7bf73129-1428-4cd3-a780-95db273d1602");
        assert_eq!(publication.event_type.to_string(), "order.paid");
        let detail = publication.data.as_str();
        assert!(SAMPLE.contains(detail) && detail.starts_with('{') && detail.contains("7.50"), "{detail}");
        assert_eq!(publication.source.as_deref(), Some("com.example.shop"));
        assert_eq!(publication.occurred_at, Some(Timestamp::parse("2026-11-02T09:30:00Z").unwrap()));
    }

    #[test]
    fn the_input_of_the_rule_says_whose_event_it_is_and_of_what_type() {
        let aws =
            SAMPLE.replace("\"tenant\": \"demo\",", "").replace("order.paid", "EC2 Instance State-change");
        assert!(matches!(read(&aws), Err(BusError::NoTenant { .. })));
        let wrapped = format!(r#"{{"tenant":"acme","event":{aws}}}"#);
        assert!(matches!(read(&wrapped), Err(BusError::Field { field: "detail-type", .. })));
        let wrapped = format!(r#"{{"tenant":"acme","type":"ec2.state","event":{aws}}}"#);
        let (tenant, publication) = read(&wrapped).unwrap();
        assert_eq!((tenant.as_str(), &*publication.event_type.to_string()), ("acme", "ec2.state"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, field) in [
            ("demo", "Not A Tenant!", "tenant"),
            ("7bf73129", "7bf.73129", "id"),
            ("2026-11", "26-11", "time"),
        ] {
            match read(&SAMPLE.replace(from, to)) {
                Err(BusError::Field { field: named, .. }) => assert_eq!(named, field),
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(read("{}"), Err(BusError::Form(_))));
        assert!(matches!(read("[]"), Err(BusError::Form(_))));
    }
}
