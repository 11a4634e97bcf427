//! DynamoDB's operations, with its own expressions, so that there is one data model everywhere.

mod item;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use async_trait::async_trait;
pub use serde_dynamo::AttributeValue;

pub(crate) use self::item::Kind;
pub use self::item::{AttributeName, Item, Value};

/// The tables, by life-cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TableName {
    /// Tenants, keys, endpoints, subscriptions.
    Config,
    /// Events, deliveries, dead letters.
    Ledger,
}

impl TableName {
    /// Every table.
    pub const ALL: [Self; 2] = [Self::Config, Self::Ledger];

    /// The table's short name; a deployment puts its own prefix before it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Ledger => "ledger",
        }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A secondary index of the ledger table: its hash and range attributes are named after it. Both project
/// keys only and are sparse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexName {
    /// Events under their publisher's own ids, by time.
    Timeline,
    /// Deliveries that are retried, parked or failed, by tenant and time.
    Open,
    /// Deliveries that wait for longer than a queue can hold a message, by time.
    Due,
}

impl IndexName {
    /// Every index.
    pub const ALL: [Self; 3] = [Self::Timeline, Self::Open, Self::Due];

    /// The index's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeline => "timeline",
            Self::Open => "open_deliveries",
            Self::Due => "due",
        }
    }

    /// The attributes of its hash and its range key.
    pub const fn key_attributes(self) -> (&'static str, &'static str) {
        match self {
            Self::Timeline => ("timeline", "timeline_at"),
            Self::Open => ("open", "open_at"),
            Self::Due => ("due", "due_at"),
        }
    }
}

/// The primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The hash key, attribute `pk`.
    pub pk: String,
    /// The range key, attribute `sk`.
    pub sk: String,
}

impl Key {
    /// A key of two parts.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// The key as attributes.
    pub fn into_item(self) -> Item {
        Item::from([("pk", AttributeValue::S(self.pk)), ("sk", AttributeValue::S(self.sk))])
    }
}

/// An expression with the names and values that it uses.
#[derive(Debug, Clone, Default)]
pub struct Expression {
    /// The expression's text.
    pub text: Cow<'static, str>,
    /// What the `#names` in it stand for.
    pub names: HashMap<String, String>,
    /// What the `:values` in it stand for.
    pub values: Item,
}

impl Expression {
    /// An expression without names or values.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Says what a `#name` stands for.
    #[must_use]
    pub fn name(mut self, placeholder: &str, attribute: &str) -> Self {
        self.names.insert(placeholder.to_owned(), attribute.to_owned());
        self
    }

    /// Says what a `:value` stands for, a text.
    #[must_use]
    pub fn text_value(self, placeholder: &'static str, value: impl Into<String>) -> Self {
        self.value(placeholder, AttributeValue::S(value.into()))
    }

    /// Says what a `:value` stands for, a number.
    #[must_use]
    pub fn number_value(self, placeholder: &'static str, value: u64) -> Self {
        self.value(placeholder, AttributeValue::N(value.to_string()))
    }

    /// The same with a number that may be negative in a placeholder's place.
    #[must_use]
    pub fn signed_value(self, placeholder: &'static str, value: i64) -> Self {
        self.value(placeholder, AttributeValue::N(value.to_string()))
    }

    fn value(mut self, placeholder: &'static str, value: AttributeValue) -> Self {
        if self.values.is_empty() {
            self.values = Item::with_capacity(1);
        }
        self.values.insert(placeholder, value);
        self
    }
}

/// `PutItem`. When the condition fails, the item that is there comes with the error.
#[derive(Debug, Clone)]
pub struct Put {
    /// The table.
    pub table: TableName,
    /// The whole item.
    pub item: Item,
    /// What must hold of the item that is there.
    pub condition: Option<Expression>,
}

/// `Update` in a transaction.
#[derive(Debug, Clone)]
pub struct Update {
    /// The table.
    pub table: TableName,
    /// The item.
    pub key: Key,
    /// What to change. Its names and values also serve the condition.
    pub update: Expression,
    /// What must hold of the item that is there.
    pub condition: Option<Cow<'static, str>>,
}

/// `Delete` in a transaction.
#[derive(Debug, Clone)]
pub struct Delete {
    /// The table.
    pub table: TableName,
    /// The item.
    pub key: Key,
    /// What must hold of the item that is there.
    pub condition: Option<Expression>,
}

/// One action of `TransactWriteItems`.
#[derive(Debug, Clone)]
pub enum Write {
    /// Puts an item.
    Put(Put),
    /// Updates an item.
    Update(Update),
    /// Deletes an item.
    Delete(Delete),
}

/// `Query`.
#[derive(Debug, Clone)]
pub struct Query {
    /// The table.
    pub table: TableName,
    /// An index instead of the table itself.
    pub index: Option<IndexName>,
    /// Which keys.
    pub keys: Expression,
    /// Which of the items under these keys. Its names and values are merged with those of `keys`.
    pub filter: Option<Expression>,
    /// In ascending order of the range key, or in descending.
    pub ascending: bool,
    /// How many items are looked at.
    pub limit: Option<u32>,
    /// Where the page before ended.
    pub start: Option<Item>,
    /// Whether the read sees every write that was acknowledged before.
    pub consistent: bool,
}

impl Query {
    /// All items of the table with this hash key, in ascending order.
    pub fn partition(table: TableName, pk: impl Into<String>) -> Self {
        Self {
            table,
            index: None,
            keys: Expression::new("pk = :pk").text_value(":pk", pk),
            filter: None,
            ascending: true,
            limit: None,
            start: None,
            consistent: false,
        }
    }
}

/// A page of a query.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The items that matched.
    pub items: Vec<Item>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<Item>,
}

/// DynamoDB's operations.
#[async_trait]
pub trait Table: Send + Sync {
    /// `GetItem`; consistent reads see every acknowledged write.
    async fn get(&self, table: TableName, key: Key, consistent: bool) -> Result<Option<Item>, TableError>;

    /// `BatchGetItem`, any number of distinct keys, in no particular order; what does not exist is left out.
    async fn batch_get(&self, table: TableName, keys: Vec<Key>) -> Result<Vec<Item>, TableError>;

    /// `PutItem`.
    async fn put(&self, put: Put) -> Result<(), TableError>;

    /// `TransactWriteItems`: at most 100 actions on distinct items, all or none.
    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError>;

    /// `Query`, one page.
    async fn query(&self, query: Query) -> Result<Page, TableError>;
}

/// An operation did not succeed, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The condition does not hold. Carries the item that is there, if there is one and the operation was not
    /// a transaction.
    #[error("the condition of the write does not hold")]
    ConditionFailed {
        /// The item that is there.
        current: Option<Box<Item>>,
    },
    /// Another transaction is at work on one of the items: try again.
    #[error("another transaction is at work on the same item")]
    Conflict,
    /// Too many requests, or the table cannot be reached: try again later. The write may have taken effect.
    #[error("the {table} table cannot be used at the moment")]
    Unavailable {
        /// The table.
        table: TableName,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request or the stored item is wrong: a defect.
    #[error("a request to the {table} table, or an item in it, is invalid")]
    Invalid {
        /// The table.
        table: TableName,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
