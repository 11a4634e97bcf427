//! A configuration without its credentials, for whoever may look at it.

use postrider_application::ports::channel::MASK;
use serde_json::Value;

use super::config::headers::is_sensitive;

/// Where credentials are.
const CREDENTIALS: [(&str, &str); 3] = [("auth", "token"), ("auth", "password"), ("signature", "secret")];

/// Replaces every credential by [`MASK`]. What is not there stays absent.
pub(super) fn mask(config: &Value) -> Value {
    let mut masked = config.clone();
    for (object, field) in CREDENTIALS {
        hide(masked.get_mut(object).and_then(|object| object.get_mut(field)));
    }
    if let Some(Value::Object(headers)) = masked.get_mut("headers") {
        headers.iter_mut().filter(|(name, _)| is_sensitive(name)).for_each(|(_, value)| hide(Some(value)));
    }
    masked
}

fn hide(value: Option<&mut Value>) {
    if let Some(value) = value
        && !value.is_null()
    {
        *value = MASK.into();
    }
}
