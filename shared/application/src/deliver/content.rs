//! What a receiver is given: the data, loaded from wherever it is, or a link to it, for which nothing is loaded.

use bytes::Bytes;

use super::{Deliver, DeliverError, Job};
use crate::links::{DataLink, DataLinks};
use crate::ports::blobs::load;
use crate::ports::{Content, Destination};

/// The content of one attempt.
pub(super) enum Given {
    Data(Bytes),
    Link(DataLink),
}

impl Given {
    pub(super) const fn content(&self) -> Content<'_> {
        match self {
            Self::Data(data) => Content::Data(data),
            Self::Link(link) => Content::Link(link),
        }
    }
}

impl Deliver {
    /// The same worker, which makes links for endpoints that are to get them in place of the data.
    #[must_use]
    pub fn linking(mut self, links: Option<DataLinks>) -> Self {
        self.links = links;
        self
    }

    /// What a destination is given of an event. Each attempt gets a link of its own, which lives from then on.
    pub(super) async fn given(
        &self,
        job: &Job,
        destination: &dyn Destination,
    ) -> Result<Given, DeliverError> {
        let Some(ttl) = destination.link_ttl() else {
            return Ok(Given::Data(load(&*self.blobs, &job.payload).await?));
        };
        let links = self.links.as_ref().ok_or(DeliverError::NoPublicUrl(job.delivery_id.endpoint()))?;
        Ok(Given::Link(links.link(&job.event, &job.payload, ttl, self.clock.now()).await?))
    }
}
