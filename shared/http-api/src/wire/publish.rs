//! Events as they are published, one or as a test. The data stays the text it came as.

use std::fmt;
use std::str::FromStr;

use postrider_application::ingest::{Accepted, Publication};
use postrider_application::messages::JsonText;
use postrider_domain::event::Audience;
use postrider_domain::{DeliveryId, EndpointId, EventId, EventType, FieldProblem, Priority, Timestamp};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Findings, Number, Shown, Text, given};

/// An event to be published.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventInput<'a> {
    #[serde(borrow, default)]
    event_id: Option<Text<'a>>,
    #[serde(borrow, default, rename = "type")]
    event_type: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    occurred_at: Option<Text<'a>>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    tags: Option<Vec<String>>,
    #[serde(borrow, default)]
    endpoints: Option<EndpointsInput<'a>>,
    #[serde(borrow, default)]
    deliver_at: Option<Text<'a>>,
    #[serde(default)]
    priority: Option<Number>,
}

impl EventInput<'_> {
    /// The event as the use case takes it.
    pub(crate) fn publication(self) -> Result<Publication, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let event_id = findings.read("event_id", Text::of(&self.event_id), EventId::from_str);
        let event_type = findings.required("type", Text::of(&self.event_type));
        let event_type = findings.read("type", event_type, EventType::from_str);
        let data = findings.required("data", self.data);
        let occurred_at = findings.read("occurred_at", Text::of(&self.occurred_at), Timestamp::parse);
        let deliver_at = findings.read("deliver_at", Text::of(&self.deliver_at), Timestamp::parse);
        let priority = self.priority.map(|number| {
            let number = number.as_whole().unwrap_or(u32::MAX);
            Priority::try_from(number).map_err(|error| findings.add("priority", error)).unwrap_or_default()
        });
        let priority = priority.unwrap_or_default();
        let audience = self.endpoints.map_or(Audience::Subscribers, |input| input.audience(&mut findings));
        let publication = event_type.zip(data).map(|(event_type, data)| Publication {
            event_id,
            event_type,
            data: data.into(),
            occurred_at,
            source: self.source,
            correlation_id: self.correlation_id,
            tags: self.tags.unwrap_or_default(),
            audience,
            deliver_at,
            priority,
        });
        findings.finish(publication)
    }
}

/// Which endpoints an event is for.
enum EndpointsInput<'a> {
    Named(String),
    Listed(Vec<Text<'a>>),
}

impl EndpointsInput<'_> {
    fn audience(self, findings: &mut Findings) -> Audience {
        match self {
            Self::Named(name) if name == "default" => Audience::Defaults,
            Self::Named(_) => {
                findings.add("endpoints", "a list of endpoint ids, or the word \"default\"");
                Audience::Defaults
            }
            Self::Listed(texts) => {
                let mut ids = Vec::with_capacity(texts.len());
                for (index, text) in texts.iter().enumerate() {
                    match text.0.parse::<EndpointId>() {
                        Ok(id) => ids.push(id),
                        Err(error) => findings.add(format!("endpoints[{index}]"), error),
                    }
                }
                Audience::Endpoints(ids)
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for EndpointsInput<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EndpointsVisitor;

        impl<'de> Visitor<'de> for EndpointsVisitor {
            type Value = EndpointsInput<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of endpoint ids, or the word \"default\"")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(EndpointsInput::Named(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(EndpointsInput::Listed)
            }
        }

        deserializer.deserialize_any(EndpointsVisitor)
    }
}

/// An event that was accepted.
#[derive(Serialize)]
pub(crate) struct AcceptedBody {
    event_id: Shown<EventId>,
    status: &'static str,
    duplicate: bool,
    accepted_at: Shown<Timestamp>,
}

impl From<Accepted> for AcceptedBody {
    fn from(accepted: Accepted) -> Self {
        Self {
            event_id: Shown(accepted.event_id),
            status: "accepted",
            duplicate: accepted.duplicate,
            accepted_at: Shown(accepted.accepted_at),
        }
    }
}

/// A test event; everything has a default.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TestInput<'a> {
    #[serde(borrow, rename = "type")]
    event_type: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "given")]
    data: Option<&'a RawValue>,
}

impl TestInput<'_> {
    /// The test event for one endpoint, as the use case takes it.
    pub(crate) fn publication(self, endpoint: EndpointId) -> Result<Publication, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let event_type = Text::of(&self.event_type).unwrap_or("postrider.test");
        let event_type = findings.read("type", Some(event_type), EventType::from_str);
        const DATA: &str = r#"{"message":"This is a test event from Postrider."}"#;
        let data = findings.read("data", Some(self.data.map_or(DATA, RawValue::get)), JsonText::from_str);
        findings.finish(event_type.zip(data).map(|(event_type, data)| Publication {
            event_id: None,
            event_type,
            data,
            occurred_at: None,
            source: None,
            correlation_id: None,
            tags: Vec::new(),
            audience: Audience::Endpoints(vec![endpoint]),
            deliver_at: None,
            priority: Priority::default(),
        }))
    }
}

/// A test event that is on its way.
#[derive(Serialize)]
pub(crate) struct TestBody {
    event_id: Shown<EventId>,
    delivery_id: Shown<DeliveryId>,
}

impl TestBody {
    pub(crate) fn new(accepted: Accepted, endpoint: EndpointId) -> Self {
        let delivery = DeliveryId::derive(accepted.accepted_at, &accepted.event_id, endpoint);
        Self { event_id: Shown(accepted.event_id), delivery_id: Shown(delivery) }
    }
}
