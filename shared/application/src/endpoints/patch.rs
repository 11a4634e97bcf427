//! Merging a change into a channel's configuration.

use serde_json::Value;

use crate::ports::channel::MASK;

/// The configuration with a change merged in as RFC 7396 says: members replace, `null` removes, objects are
/// merged. Two things go beyond it: the mask in the place of a credential leaves it as it is, and an object
/// that names another variant (`type` or `scheme`) replaces the former one, whose members it has no use for.
pub(super) fn merge(config: &Value, change: &Value) -> Value {
    let Value::Object(change) = change else {
        return if change.as_str() == Some(MASK) { config.clone() } else { change.clone() };
    };
    let is_another = |tag: &str| change.get(tag).is_some_and(|named| config.get(tag) != Some(named));
    let kept = if is_another("type") || is_another("scheme") { None } else { config.as_object() };
    let mut merged = kept.cloned().unwrap_or_default();
    for (name, value) in change {
        if value.is_null() {
            merged.remove(name);
        } else {
            let before = merged.get(name).unwrap_or(&Value::Null);
            let after = merge(before, value);
            merged.insert(name.clone(), after);
        }
    }
    Value::Object(merged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_replaced_removed_and_merged() {
        let config =
            json!({"url": "https://a", "auth": {"type": "basic", "username": "u", "password": "p"}, "x": 1});
        let change = json!({"url": "https://b", "auth": {"username": "v"}, "x": null, "codes": [1]});
        let merged = merge(&config, &change);
        let auth = json!({"type": "basic", "username": "v", "password": "p"});
        assert_eq!(merged, json!({"url": "https://b", "auth": auth, "codes": [1]}));
    }

    #[test]
    fn another_variant_replaces_the_former_one() {
        let config = json!({"url": "https://a", "auth": {"type": "bearer", "token": "t"}});
        let merged = merge(&config, &json!({"auth": {"type": "none"}}));
        assert_eq!(merged, json!({"url": "https://a", "auth": {"type": "none"}}));
        let same = merge(&config, &json!({"auth": {"type": "bearer", "token": "u"}}));
        assert_eq!(same["auth"], json!({"type": "bearer", "token": "u"}));
    }

    #[test]
    fn a_masked_credential_stays() {
        let config = json!({"auth": {"type": "bearer", "token": "t"}});
        let shown = json!({"auth": {"type": "bearer", "token": MASK}});
        assert_eq!(merge(&config, &shown), config);
    }
}
