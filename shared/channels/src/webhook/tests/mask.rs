//! Configurations as they are shown.

use postrider_application::ports::channel::MASK;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn mask(config: &Value) -> Value {
    WebhookChannel::new(Arc::new(FakeOutbound::default())).mask(config)
}

#[test]
fn credentials_are_masked_and_nothing_else() {
    let config = json!({
        "url": "https://example.com/?tenant=1",
        "headers": {"X-Api-Key": "k", "x-auth": "a", "X-Session-TOKEN": "t", "Cookie": "c", "X-Team": "payments"},
        "auth": {"type": "basic", "username": "user", "password": "p"},
        "signature": {"scheme": "body", "header": "X-Signature", "secret": "s"},
        "success_codes": [200],
    });
    let expected = json!({
        "url": "https://example.com/?tenant=1",
        "headers": {"X-Api-Key": MASK, "x-auth": MASK, "X-Session-TOKEN": MASK, "Cookie": MASK, "X-Team": "payments"},
        "auth": {"type": "basic", "username": "user", "password": MASK},
        "signature": {"scheme": "body", "header": "X-Signature", "secret": MASK},
        "success_codes": [200],
    });
    assert_eq!(mask(&config), expected);
    assert_eq!(mask(&expected), expected);
}

#[test]
fn what_is_absent_stays_absent() {
    for config in [
        json!({"url": "https://example.com/"}),
        json!({"auth": {"type": "none"}, "signature": {"scheme": "standard"}, "headers": null}),
        json!({"auth": {"type": "bearer", "token": null}}),
        json!("not an object"),
    ] {
        assert_eq!(mask(&config), config);
    }
}

proptest! {
    #[test]
    fn a_masked_configuration_does_not_contain_the_credential(
        secret in "[ -~]{12,40}",
        name in "[a-z-]{0,5}(auth|Key|TOKEN|secret|Password|cookie|credential|Signature)[a-z-]{0,5}",
    ) {
        let config = json!({
            "url": "https://example.com/",
            "headers": {name: secret},
            "auth": {"type": "bearer", "token": secret, "password": secret},
            "signature": {"scheme": "body", "header": "x", "secret": secret},
        });
        let (shown, written) = (mask(&config).to_string(), json!(secret).to_string());
        prop_assert!(!shown.contains(written.trim_matches('"')), "{}", shown);
    }
}
