//! Events in the ledger: written once, found by id and by time.
//!
//! An id that was made here is a ULID, so such an event's key is its place in time, and no index is needed.
//! An event under its publisher's own id has that id as its key, which makes publishing it twice a failed
//! condition, and its place in time in the index `timeline`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use postrider_domain::event::ContentDigest;
use postrider_domain::id::Ulid;
use postrider_domain::{Event, EventId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::due::{self, DueShard};
use super::item::{decode, encode, invalid, key_of};
use crate::messages::{FanOutMessage, Payload, WireEvent};
use crate::ports::table::{AttributeValue, Expression, Item, Key, Put, Table, TableError, TableName};

pub(super) const TABLE: TableName = TableName::Ledger;

/// Among how many partitions a tenant's events are spread, each of which takes 1,000 writes per second.
pub(super) const SHARDS: u8 = 4;

/// How long an event is kept.
pub const RETENTION: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);

/// An event with its data, as the ledger has it.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// The event.
    pub event: Event,
    /// Its data, or where it is.
    pub payload: Payload,
    /// The digest of its content.
    pub digest: ContentDigest,
    /// Where it stands, if it was to be delivered later when it was accepted.
    pub schedule: Option<EventSchedule>,
}

impl StoredEvent {
    /// The message that has it matched with subscriptions.
    pub(crate) fn fan_out(&self) -> FanOutMessage {
        FanOutMessage::new(&self.event.tenant, WireEvent::new(&self.event, &self.payload))
    }
}

/// Where an event stands that is to be delivered later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventSchedule {
    /// Whether it is to be delivered.
    pub state: ScheduleState,
    /// When its message is to be sent: only for a wait that is longer than a queue can hold a message.
    pub due_at: Option<Timestamp>,
    /// Counts changes, from 1.
    pub version: u64,
}

/// Whether an event is still to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleState {
    /// Its moment has not come.
    Waiting,
    /// Its moment came: its endpoints are being looked up, or were.
    Begun,
    /// Somebody cancelled it before.
    Cancelled,
}

impl ScheduleState {
    const ALL: [Self; 3] = [Self::Waiting, Self::Begun, Self::Cancelled];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Begun => "begun",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What saving an event came to.
#[derive(Debug)]
pub enum SavedEvent {
    /// It is saved; its version is one higher.
    Yes,
    /// Somebody changed it in between.
    Changed,
}

/// What storing an event came to.
#[derive(Debug)]
pub enum Stored {
    /// It is new.
    New,
    /// There is one with this id.
    Existing(Box<StoredEvent>),
}

#[derive(Serialize, Deserialize)]
struct EventItem<'a> {
    pk: String,
    sk: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeline: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeline_at: Option<String>,
    /// As an attribute of its own so that a list can filter by it.
    event_type: Cow<'a, str>,
    digest: Cow<'a, str>,
    /// JSON text of the event with its data or the blob's key. Written by itself, because it is long.
    #[serde(skip_serializing)]
    event: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Seconds since the Unix epoch, for DynamoDB's TTL.
    expires_at: u64,
}

pub(super) fn shard_partition(tenant: &TenantId, shard: u8) -> String {
    ["T#", tenant.as_str(), "#E#", &shard.to_string()].concat()
}

fn shard_of(event: &EventId) -> u8 {
    Sha256::digest(event.as_str().as_bytes())[0] % SHARDS
}

/// An event's place in time, in the form that generated ids have.
pub(super) fn place_in_time(at: Timestamp, random: u128) -> String {
    EventId::generated(Ulid::from_parts(at.as_millis(), random)).to_string()
}

fn key(tenant: &TenantId, event: &EventId) -> Key {
    match event.as_generated() {
        Some(_) => Key::new(shard_partition(tenant, shard_of(event)), event.as_str()),
        // A publisher's id may be the number of a shard: the sort key keeps the two apart.
        None => Key::new(format!("T#{tenant}#E#{event}"), "EVENT"),
    }
}

/// The item of an event, of which `wire` is the form in which it is written.
fn item_of(stored: &StoredEvent, wire: &WireEvent) -> Result<Item, TableError> {
    let mut item = encode(TABLE, &EventItem::of(stored))?;
    item.insert("event", AttributeValue::S(wire.text()));
    Ok(item)
}

impl<'a> EventItem<'a> {
    fn of(stored: &'a StoredEvent) -> Self {
        let event = &stored.event;
        let Key { pk, sk } = key(&event.tenant, &event.id);
        let mut item = Self {
            pk,
            sk,
            timeline: None,
            timeline_at: None,
            event_type: event.event_type.as_str().into(),
            digest: stored.digest.as_str().into(),
            event: Cow::default(),
            schedule: stored.schedule.map(|schedule| schedule.state.as_str().into()),
            due: None,
            due_at: None,
            version: stored.schedule.map(|schedule| schedule.version),
            expires_at: event.begins_at().after(RETENTION).as_seconds(),
        };
        if let Some(due_at) = stored.schedule.and_then(|schedule| schedule.due_at) {
            item.due = Some(DueShard::of(event.id.as_str()).partition());
            item.due_at = Some(due::place(due_at));
        }
        if event.id.as_generated().is_none() {
            let hash = Sha256::digest(event.id.as_str().as_bytes());
            let random = hash.iter().take(10).fold(0, |bits, byte| (bits << 8) | u128::from(*byte));
            item.timeline = Some(shard_partition(&event.tenant, shard_of(&event.id)));
            item.timeline_at = Some(place_in_time(event.accepted_at, random));
        }
        item
    }

    fn read(self, tenant: &TenantId) -> Result<StoredEvent, TableError> {
        let wire: WireEvent = serde_json::from_str(&self.event).map_err(|error| invalid(TABLE, error))?;
        let (event, payload) = wire.read(tenant).map_err(|error| invalid(TABLE, error))?;
        let due_at = self.due_at.as_deref().map(due::moment).transpose()?;
        let schedule = self.schedule.map(|text| {
            let known = ScheduleState::ALL.into_iter().find(|state| state.as_str() == text);
            let state = known.ok_or_else(|| invalid(TABLE, "the event's schedule has no known state"))?;
            Ok(EventSchedule { state, due_at, version: self.version.unwrap_or_default() })
        });
        let digest = ContentDigest::from_stored(self.digest.into_owned());
        Ok(StoredEvent { event, payload, digest, schedule: schedule.transpose()? })
    }
}

pub(super) fn read_item(tenant: &TenantId, item: Item) -> Result<StoredEvent, TableError> {
    decode::<EventItem>(TABLE, item)?.read(tenant)
}

/// The events.
#[derive(Clone)]
pub struct Events(pub(super) Arc<dyn Table>);

impl Events {
    /// The events in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// The table, for what is kept beside the events.
    pub(crate) fn table(&self) -> Arc<dyn Table> {
        Arc::clone(&self.0)
    }

    /// Stores an event under an id that cannot be taken. `wire` is the same event as it is written.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_new(&self, stored: &StoredEvent, wire: &WireEvent) -> Result<(), TableError> {
        let item = item_of(stored, wire)?;
        self.0.put(Put { table: TABLE, item, condition: None }).await
    }

    /// Stores an event unless there is one with its id. `wire` is the same event as it is written.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_if_absent(&self, stored: &StoredEvent, wire: &WireEvent) -> Result<Stored, TableError> {
        let item = item_of(stored, wire)?;
        let condition = Some(Expression::new("attribute_not_exists(pk)"));
        match self.0.put(Put { table: TABLE, item, condition }).await {
            Ok(()) => Ok(Stored::New),
            Err(TableError::ConditionFailed { current: Some(current) }) => {
                Ok(Stored::Existing(Box::new(read_item(&stored.event.tenant, *current)?)))
            }
            Err(error) => Err(error),
        }
    }

    /// Saves an event that was read, or stored, at its schedule's version.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn save(&self, stored: &StoredEvent) -> Result<SavedEvent, TableError> {
        let mut form = stored.clone();
        let version = stored.schedule.map_or(0, |schedule| schedule.version);
        form.schedule = form.schedule.map(|schedule| EventSchedule { version: version + 1, ..schedule });
        let wire = WireEvent::new(&form.event, &form.payload);
        let item = item_of(&form, &wire)?;
        let condition = Expression::new("version = :version").number_value(":version", version);
        match self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await {
            Ok(()) => Ok(SavedEvent::Yes),
            Err(TableError::ConditionFailed { .. }) => Ok(SavedEvent::Changed),
            Err(error) => Err(error),
        }
    }

    /// A tenant's event.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, tenant: &TenantId, id: &EventId) -> Result<Option<StoredEvent>, TableError> {
        let item = self.0.get(TABLE, key(tenant, id), true).await?;
        item.map(|item| read_item(tenant, item)).transpose()
    }

    /// Those of a tenant's events that are there.
    ///
    /// # Errors
    /// When the table, or one of the events, cannot be read.
    pub async fn get_many(
        &self,
        tenant: &TenantId,
        ids: impl IntoIterator<Item = EventId>,
    ) -> Result<HashMap<EventId, StoredEvent>, TableError> {
        let found = self.look_up(tenant, ids).await?;
        found.into_iter().map(|(id, stored)| Ok((id, stored?))).collect()
    }

    /// Those of a tenant's events that are there, each by itself: one that cannot be read is an error in its place.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn look_up(
        &self,
        tenant: &TenantId,
        ids: impl IntoIterator<Item = EventId>,
    ) -> Result<HashMap<EventId, Result<StoredEvent, TableError>>, TableError> {
        // A key may be asked for once only.
        let mut ids: HashMap<Key, EventId> = ids.into_iter().map(|id| (key(tenant, &id), id)).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let items = self.0.batch_get(TABLE, ids.keys().cloned().collect()).await?;
        let found = items.into_iter().filter_map(|item| {
            let id = ids.remove(&key_of(&item))?;
            Some((id, read_item(tenant, item)))
        });
        Ok(found.collect())
    }
}
