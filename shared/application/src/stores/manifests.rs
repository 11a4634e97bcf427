//! Manifests: which endpoints fan-out sets out to make deliveries for, so that somebody can count whether they are all
//! there.
//!
//! One item for all events of a batch that were accepted at about the same time, written beside the deliveries. An event
//! that is matched again is in another item, too; whoever reads puts them together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use postrider_domain::id::Ulid;
use postrider_domain::reconciliation::MatchedPart;
use postrider_domain::{DeliveryId, EndpointId, Event, Hour, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::item::{decode, encode, invalid};
use crate::ports::table::{Expression, Put, Query, Table, TableError, TableName};

const TABLE: TableName = TableName::Ledger;

/// Among how many partitions a tenant's manifests of an hour are spread: as many as its events.
const SHARDS: u8 = super::events::SHARDS;

/// How far apart the acceptance of events in the same item may lie. Whoever looks for those of a range of time reads
/// from so much earlier on.
const SPAN: Duration = Duration::from_secs(10);

/// From how many endpoints on, those of all events together, a partition is not read further at once.
const ENDPOINTS: usize = 10_000;

/// How long a manifest is kept: longer than its hour is looked at.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A part of the endpoints of an event.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The event.
    pub event: &'a Event,
    /// Its endpoints.
    pub part: MatchedPart,
}

#[derive(Serialize, Deserialize)]
struct ManifestItem {
    pk: String,
    sk: String,
    /// JSON text.
    matched: String,
    written_at: u64,
    /// Seconds since the Unix epoch, for DynamoDB's TTL.
    expires_at: u64,
}

/// Events with the same endpoints: most of a batch, usually.
#[derive(Serialize, Deserialize)]
struct GroupForm {
    /// What stands for the events in the ids of their deliveries.
    events: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    endpoints: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    goes_on: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_repeated: bool,
}

fn partition(tenant: &TenantId, hour: Hour, shard: u8) -> String {
    format!("T#{tenant}#M#{hour}#{shard}")
}

/// The beginning of a range key: sorts as the moments do.
fn place(at: Timestamp) -> String {
    format!("{:015}", at.as_millis())
}

/// The moment with which a range key begins.
fn moment(sk: &str) -> Result<Timestamp, TableError> {
    let millis = sk.split('#').next().unwrap_or_default().parse();
    millis.map(Timestamp::from_millis).map_err(|error| invalid(TABLE, error))
}

/// What is on record of events by time.
#[derive(Debug)]
pub struct MatchedRange {
    /// The parts of each event, by what stands for the event in the ids of its deliveries. Some other events, too.
    pub events: HashMap<Ulid, Vec<MatchedPart>>,
    /// The moment up to which all events of the range are among them.
    pub until: Timestamp,
}

/// The manifests.
#[derive(Clone)]
pub struct Manifests(Arc<dyn Table>);

impl Manifests {
    /// The manifests in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// Puts entries of this moment on record, which may be of several tenants. Answers for each of them, in their order,
    /// whether that succeeded.
    pub async fn record(&self, entries: &[Entry<'_>], now: Timestamp) -> Vec<Result<(), Arc<TableError>>> {
        let groups = together(entries);
        let written = groups.iter().map(|members| async {
            let item = manifest(entries, members, now)?;
            self.0.put(Put { table: TABLE, item: encode(TABLE, &item)?, condition: None }).await
        });
        let mut results: Vec<_> = entries.iter().map(|_| Ok(())).collect();
        for (members, written) in groups.iter().zip(join_all(written).await) {
            let Err(error) = written else { continue };
            let error = Arc::new(error);
            members.iter().for_each(|index| results[*index] = Err(Arc::clone(&error)));
        }
        results
    }

    /// What is on record of a tenant's events that were accepted from `from` to before `until`, which lie in one hour;
    /// or of the first of them, when they have very many endpoints.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn of_range(
        &self,
        tenant: &TenantId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<MatchedRange, TableError> {
        let low = Timestamp::from_millis(from.as_millis().saturating_sub(SPAN.as_millis() as u64));
        let shards = (0..SHARDS).map(|shard| {
            let pk = partition(tenant, Hour::of(from), shard);
            let keys = Expression::new("pk = :pk AND sk BETWEEN :low AND :high")
                .text_value(":pk", pk.clone())
                .text_value(":low", place(low))
                .text_value(":high", place(until));
            self.read(Query { keys, ..Query::partition(TABLE, pk) }, from)
        });
        let mut range = MatchedRange { events: HashMap::new(), until };
        for (parts, reached) in try_join_all(shards).await? {
            range.until = range.until.min(reached.unwrap_or(until));
            for (event, part) in parts {
                range.events.entry(event).or_default().push(part);
            }
        }
        Ok(range)
    }

    /// Reads items until there are no more, or their endpoints are many and they are beyond a moment. Answers the
    /// moment of the last item if there are more.
    async fn read(
        &self,
        mut query: Query,
        beyond: Timestamp,
    ) -> Result<(Vec<(Ulid, MatchedPart)>, Option<Timestamp>), TableError> {
        let (mut parts, mut endpoints) = (Vec::new(), 0);
        loop {
            let page = self.0.query(query.clone()).await?;
            let mut reached = None;
            for item in page.items {
                let item: ManifestItem = decode(TABLE, item)?;
                reached = Some(moment(&item.sk)?);
                let groups: Vec<GroupForm> =
                    serde_json::from_str(&item.matched).map_err(|error| invalid(TABLE, error))?;
                let at = Timestamp::from_millis(item.written_at);
                for group in groups {
                    endpoints += group.events.len() * group.endpoints.len();
                    parts.extend(group.read(at)?);
                }
            }
            query.start = page.next;
            if query.start.is_none() {
                return Ok((parts, None));
            }
            let is_enough = endpoints >= ENDPOINTS && reached.is_some_and(|reached| reached > beyond);
            if is_enough {
                return Ok((parts, reached));
            }
        }
    }
}

impl GroupForm {
    fn read(self, at: Timestamp) -> Result<Vec<(Ulid, MatchedPart)>, TableError> {
        let ulid = |text: &String| {
            Ulid::from_string(text).map_err(|_| invalid(TABLE, "a manifest names something that is no id"))
        };
        let endpoint = |text: &String| ulid(text).map(EndpointId::new);
        let part = MatchedPart {
            after: self.after.as_ref().map(endpoint).transpose()?,
            endpoints: self.endpoints.iter().map(endpoint).collect::<Result<_, _>>()?,
            goes_on: self.goes_on,
            is_repeated: self.is_repeated,
            at,
        };
        self.events.iter().map(|event| Ok((ulid(event)?, part.clone()))).collect()
    }
}

/// Which entries share an item: those of a tenant that were accepted in the same hour, and near each other.
fn together(entries: &[Entry<'_>]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    let event = |index: usize| entries[index].event;
    order.sort_by_key(|index| (event(*index).tenant.clone(), event(*index).accepted_at));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in order {
        let (tenant, at) = (&event(index).tenant, event(index).accepted_at);
        let fits = |group: &Vec<usize>| {
            let first = event(group[0]);
            first.tenant == *tenant
                && Hour::of(first.accepted_at) == Hour::of(at)
                && at.since(first.accepted_at) < SPAN
        };
        match groups.last_mut().filter(|group| fits(group)) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups
}

/// The item of some of the entries, the first accepted first. Its key follows from what is in it, so that a batch that
/// comes again as it was writes the same item.
fn manifest(entries: &[Entry<'_>], members: &[usize], now: Timestamp) -> Result<ManifestItem, TableError> {
    let mut groups: Vec<(&MatchedPart, GroupForm)> = Vec::new();
    for entry in members.iter().map(|index| &entries[*index]) {
        let event = DeliveryId::event_part_of(entry.event.accepted_at, &entry.event.id).to_string();
        match groups.iter_mut().find(|(part, _)| **part == entry.part) {
            Some((_, group)) => group.events.push(event),
            None => groups.push((&entry.part, group_of(event, &entry.part))),
        }
    }
    let groups: Vec<GroupForm> = groups.into_iter().map(|(_, group)| group).collect();
    let matched = serde_json::to_string(&groups).map_err(|error| invalid(TABLE, error))?;
    let digest = Sha256::digest(matched.as_bytes());
    let first = entries[members[0]].event;
    let accepted_at = first.accepted_at;
    Ok(ManifestItem {
        pk: partition(&first.tenant, Hour::of(accepted_at), digest[8] % SHARDS),
        sk: format!("{}#{}", place(accepted_at), hex::encode(&digest[..8])),
        matched,
        written_at: now.as_millis(),
        expires_at: now.after(RETENTION).as_seconds(),
    })
}

fn group_of(event: String, part: &MatchedPart) -> GroupForm {
    GroupForm {
        events: vec![event],
        after: part.after.map(|id| id.ulid().to_string()),
        endpoints: part.endpoints.iter().map(|id| id.ulid().to_string()).collect(),
        goes_on: part.goes_on,
        is_repeated: part.is_repeated,
    }
}
