//! A channel whose endpoints are configured as a test likes.

use std::sync::Arc;

use postrider_application::ports::{Channel, Destination};
use postrider_domain::signature::KeyRing;
use postrider_domain::{ChannelKind, FieldProblem};
use serde_json::Value;

/// In the place of webhooks: takes any configuration, and opens it as the function says.
pub struct OpensWith<F>(pub F);

impl<F: Fn(&Value) -> Arc<dyn Destination> + Send + Sync> Channel for OpensWith<F> {
    fn kind(&self) -> ChannelKind {
        ChannelKind::Webhook
    }

    fn check(&self, _: &Value) -> Result<(), Vec<FieldProblem>> {
        Ok(())
    }

    fn mask(&self, config: &Value) -> Value {
        config.clone()
    }

    fn open(&self, config: &Value, _: KeyRing) -> Result<Arc<dyn Destination>, Vec<FieldProblem>> {
        Ok((self.0)(config))
    }
}
