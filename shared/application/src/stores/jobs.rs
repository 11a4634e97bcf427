//! Jobs in the ledger. Every write states what it knows of the item, so that of two workers at the same portion one
//! moves the job on.

use std::sync::Arc;

use postrider_domain::{Job, JobId, TenantId};

use super::item::{decode, encode, text};
use super::job_item::{JobItem, TABLE, partition};
use super::{PageRequest, Paged};
use crate::ports::table::{Expression, Item, Key, Put, Query, Table, TableError};

/// What saving a job came to.
#[derive(Debug)]
pub enum SavedJob {
    /// It is saved.
    Yes,
    /// Somebody changed it in between: this is how it stands, if it still is there.
    Changed(Option<Box<Job>>),
}

/// The jobs.
#[derive(Clone)]
pub struct Jobs(Arc<dyn Table>);

impl Jobs {
    /// The jobs in this table.
    pub fn new(table: Arc<dyn Table>) -> Self {
        Self(table)
    }

    /// Adds a job under an id that cannot be taken.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn create(&self, job: &Job) -> Result<(), TableError> {
        let item = encode(TABLE, &JobItem::write(job))?;
        self.0.put(Put { table: TABLE, item, condition: None }).await
    }

    /// Saves a job that was read, or created, at version `job.version`; in the table, the version is one higher
    /// afterwards.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn save(&self, job: &Job) -> Result<SavedJob, TableError> {
        let condition = Expression::new("version = :version").number_value(":version", job.version);
        let next = Job { version: job.version + 1, ..job.clone() };
        let item = encode(TABLE, &JobItem::write(&next))?;
        match self.0.put(Put { table: TABLE, item, condition: Some(condition) }).await {
            Ok(()) => Ok(SavedJob::Yes),
            Err(TableError::ConditionFailed { current }) => {
                let current = current.map(|item| read(&job.tenant, *item)).transpose()?;
                Ok(SavedJob::Changed(current.map(Box::new)))
            }
            Err(error) => Err(error),
        }
    }

    /// A tenant's job.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn get(&self, tenant: &TenantId, id: JobId) -> Result<Option<Job>, TableError> {
        let item = self.0.get(TABLE, Key::new(partition(tenant), id.to_string()), true).await?;
        item.map(|item| read(tenant, item)).transpose()
    }

    /// A tenant's jobs, the latest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self, tenant: &TenantId, request: PageRequest) -> Result<Paged<Job>, TableError> {
        let pk = partition(tenant);
        let query = Query {
            ascending: false,
            limit: Some(request.limit as u32),
            start: request.after.map(|id| Key::new(pk.clone(), id).into_item()),
            consistent: true,
            ..Query::partition(TABLE, pk)
        };
        let page = self.0.query(query).await?;
        let next = page.next.as_ref().map(|key| text(key, "sk").to_owned());
        let items: Result<_, _> = page.items.into_iter().map(|item| read(tenant, item)).collect();
        Ok(Paged { items: items?, next })
    }
}

fn read(tenant: &TenantId, item: Item) -> Result<Job, TableError> {
    decode::<JobItem>(TABLE, item)?.read(tenant)
}
