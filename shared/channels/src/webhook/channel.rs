//! The `Channel` port for webhooks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postrider_application::ports::{AttemptJob, AttemptResult, Channel, Destination, Outbound};
use postrider_domain::signature::{KeyKind, KeyRing};
use postrider_domain::{ChannelKind, FieldProblem};
use serde_json::Value;

use super::config::Config;
use super::config::success::SuccessCodes;
use super::record::{self, Credentials};
use super::request::{self, RequestTemplate};
use super::{mask, outcome};

/// What is wrong with an endpoint that is to get links where none can be made.
const NO_LINKS: &str = "thin needs the public address of this API for its links, which the operator has not set \
                        (POSTRIDER_PUBLIC_URL); choose envelope or data";

/// Webhooks.
pub struct WebhookChannel {
    outbound: Arc<dyn Outbound>,
    has_links: bool,
}

impl WebhookChannel {
    /// Webhooks that are sent this way.
    pub fn new(outbound: Arc<dyn Outbound>) -> Self {
        Self { outbound, has_links: false }
    }

    /// The same webhooks where links to data can be made, or not: only then an endpoint may ask for them.
    #[must_use]
    pub fn linking(self, has_links: bool) -> Self {
        Self { has_links, ..self }
    }
}

impl Channel for WebhookChannel {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn check(&self, config: &Value) -> Result<(), Vec<FieldProblem>> {
        let config = Config::read(config, &|url, networks| self.outbound.check_url(url, networks))?;
        match config.payload.link_ttl() {
            Some(_) if !self.has_links => Err(vec![FieldProblem::new("payload", NO_LINKS)]),
            _ => Ok(()),
        }
    }

    fn mask(&self, config: &Value) -> Value {
        mask::mask(config)
    }

    fn signs_with(&self, config: &Value) -> &'static [KeyKind] {
        // A configuration that cannot be read is refused by the check.
        Config::read(config, &|_, _| Ok(())).map_or(&[KeyKind::Hmac], |config| config.signature.kinds())
    }

    fn open(&self, config: &Value, keys: KeyRing) -> Result<Arc<dyn Destination>, Vec<FieldProblem>> {
        // Sending checks the URL. An operator who has taken back an address since it was configured is to
        // find deliveries that say so, not an endpoint that cannot be opened.
        let config = Config::read(config, &|_, _| Ok(()))?;
        Ok(Arc::new(WebhookDestination {
            outbound: self.outbound.clone(),
            template: RequestTemplate::new(&config, keys).map_err(|problem| vec![problem])?,
            credentials: request::credentials(&config),
            success_codes: config.success_codes,
        }))
    }
}

/// One endpoint's receiver.
struct WebhookDestination {
    outbound: Arc<dyn Outbound>,
    template: RequestTemplate,
    credentials: Credentials,
    success_codes: SuccessCodes,
}

#[async_trait]
impl Destination for WebhookDestination {
    async fn attempt(&self, job: &AttemptJob<'_>) -> AttemptResult {
        let (request, sent) = self.template.request(job);
        let (judgement, response) = match self.outbound.send(request).await {
            Ok(response) => (
                outcome::of_response(&response, &self.success_codes, self.template.url(), job.now),
                Some(record::response(&response, &self.credentials)),
            ),
            Err(error) => (outcome::of_error(&error), None),
        };
        AttemptResult {
            outcome: judgement.outcome,
            request: sent,
            response,
            error: judgement.error.map(|error| self.credentials.hide_in(error).into_owned()),
            retry_after: judgement.retry_after,
        }
    }

    fn link_ttl(&self) -> Option<Duration> {
        self.template.link_ttl()
    }
}
