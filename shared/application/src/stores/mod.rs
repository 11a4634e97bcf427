//! Items of the tables: their keys, their form, and how they are read and written. Each is written once, over
//! the Table port.
//!
//! | table | pk | sk | item |
//! |---|---|---|---|
//! | config | `TENANTS` | `<tenant>` | tenant |
//! | config | `MASTER-KEY` | `RESEAL` | how far sealing everything again has come |
//! | config | `T#<tenant>` | `VERSION` | counts changes of the tenant's endpoints |
//! | config | `T#<tenant>` | `ep_...` | endpoint, with its subscriptions and sealed configuration |
//! | config | `T#<tenant>#S#<pattern>` | `ep_...#<n>` | subscription; the pattern `!default` for default endpoints |
//! | config | `KEY#key_...` | `KEY` | API key, by its public part |
//! | config | `T#<tenant>#K` | `key_...` | the same API key, to list a tenant's |
//! | ledger | `T#<tenant>#E#<shard>` | `evt_...` | event under an id that was made here |
//! | ledger | `T#<tenant>#E#<event id>` | `EVENT` | event under its publisher's id; by time in the index `timeline`. Both, when they are to be delivered much later, by that time in the index `due` |
//! | ledger | `T#<tenant>#D#<endpoint>` | `<event part of the delivery id>` | delivery with its attempts; open ones by tenant in the index `open_deliveries`, those with a long wait by time in the index `due` |
//! | ledger | `T#<tenant>#C#<endpoint>` | `CIRCUIT` | circuit of an endpoint that was in trouble; by the time at which somebody has to look at it in the index `due` |
//! | ledger | `T#<tenant>#C#<endpoint>` | `DRAIN` | how far the endpoint's parked deliveries have been let go on |
//! | ledger | `T#<tenant>#C#<endpoint>` | `LINE` | how far an ordered endpoint's deliveries have come, and who is at them |
//! | ledger | `T#<tenant>#DL` | `dl_...` | dead letter |
//! | ledger | `T#<tenant>#R#<endpoint>` | `RATE` | bucket of an endpoint's rate limit; without the endpoint, of the tenant's publishing |
//! | ledger | `T#<tenant>#J` | `job_...` | job: a redrive or a replay with its progress |
//! | ledger | `T#<tenant>#M#<hour>#<shard>` | `<time>#<digest>` | manifest: which endpoints some events of the hour matched |
//! | ledger | `T#<tenant>#H` | `<hour>` | what became of the events of an hour; those to be looked at, by time in the index `due` under `RECONCILE` |
//! | ledger | `RECONCILE` | `CURSOR` | up to which hour, and tenant, hours were put down to be looked at |
//! | ledger | `UNREADABLE` | `dl_...` | message of which not even the tenant can be read |

pub mod api_keys;
pub mod buckets;
pub mod circuits;
pub mod dead_letters;
pub mod deliveries;
pub mod delivery_item;
pub mod delivery_line;
pub mod delivery_lists;
pub mod delivery_range;
pub mod drains;
pub mod due;
pub mod endpoint_item;
pub mod endpoints;
pub mod event_lists;
pub mod event_range;
pub mod events;
mod item;
mod job_item;
pub mod jobs;
pub mod lines;
pub mod manifests;
mod merge;
pub mod page;
mod reconciliation_item;
pub mod reconciliations;
pub mod reseals;
pub mod tenants;
pub mod unreadable;

pub use api_keys::ApiKeys;
pub use buckets::Buckets;
pub use circuits::Circuits;
pub use dead_letters::DeadLetters;
pub use deliveries::Deliveries;
pub use drains::Drains;
pub use endpoints::Endpoints;
pub use events::Events;
pub use jobs::Jobs;
pub use lines::Lines;
pub use manifests::Manifests;
pub use page::{PageRequest, Paged};
pub use reconciliations::Reconciliations;
pub use reseals::ResealJobs;
pub use tenants::Tenants;
pub use unreadable::Unreadable;
