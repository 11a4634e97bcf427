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
//! | ledger | `T#<tenant>#E#<event id>` | `EVENT` | event under its publisher's id; by time in the index `timeline` |
//! | ledger | `T#<tenant>#D#<endpoint>` | `<event part of the delivery id>` | delivery with its attempts; open ones by tenant in the index `open_deliveries`, those with a long wait by time in the index `due` |
//! | ledger | `T#<tenant>#DL` | `dl_...` | dead letter |

pub mod api_keys;
pub mod dead_letters;
pub mod deliveries;
pub mod delivery_item;
pub mod delivery_lists;
pub mod due;
pub mod endpoint_item;
pub mod endpoints;
pub mod event_lists;
pub mod events;
mod item;
mod merge;
pub mod page;
pub mod reseals;
pub mod tenants;

pub use api_keys::ApiKeys;
pub use dead_letters::DeadLetters;
pub use deliveries::Deliveries;
pub use endpoints::Endpoints;
pub use events::Events;
pub use page::{PageRequest, Paged};
pub use reseals::ResealJobs;
pub use tenants::Tenants;
