//! Which keys sign when.

use postrider_domain::signature::{BodySignatureEncoding, KeyKind, SigningKey, sign_body};
use serde_json::json;

use super::*;

const END: u64 = 5_000;

fn texts() -> [String; 4] {
    let text = |kind, byte| SigningKey::from_random(kind, [byte; 32]).reveal();
    [text(KeyKind::Hmac, 2), text(KeyKind::Ed25519, 4), text(KeyKind::Hmac, 1), text(KeyKind::Ed25519, 3)]
}

/// The newest keys, and the former ones, which sign before the moment [`END`].
fn changing() -> KeyRing {
    let [secret, pair, former_secret, former_pair] = &texts();
    keys(&[(secret, None), (pair, None), (former_secret, Some(END)), (former_pair, Some(END))])
}

async fn sent_at(signature: Value, now: u64) -> OutboundRequest {
    let outbound = Arc::new(FakeOutbound::default());
    let config = json!({"url": "https://example.com/", "signature": signature, "payload": "data"});
    attempt_with(&outbound, &config, changing(), Timestamp::from_millis(now), b"{}").await;
    outbound.request()
}

#[tokio::test]
async fn every_live_key_of_the_schemes_kinds_signs_the_newest_first() {
    let [secret, pair, former_secret, former_pair] = texts();
    let hmac = [&secret, &former_secret];
    let ed25519 = [&pair, &former_pair];
    for (scheme, all) in [
        ("standard", hmac.to_vec()),
        ("ed25519", ed25519.to_vec()),
        ("standard+ed25519", [hmac, ed25519].concat()),
    ] {
        for (now, live) in [(END - 1, all.clone()), (END, all.iter().copied().step_by(2).collect())] {
            let request = sent_at(json!({"scheme": scheme}), now).await;
            let signature = |text: &&String| {
                let key: SigningKey = text.parse().unwrap();
                key.sign_standard(event().id.as_str(), now / 1000, b"{}")
            };
            let expected: Vec<_> = live.iter().map(signature).collect();
            assert_eq!(request.headers["webhook-signature"], expected.join(" "), "{scheme} at {now}");
        }
    }
}

#[tokio::test]
async fn the_body_is_signed_with_the_former_secret_until_it_ends() {
    let [secret, _, former_secret, _] = texts();
    let signature = json!({"scheme": "body", "header": "X-Signature"});
    for (now, text) in [(END - 1, former_secret), (END, secret)] {
        let request = sent_at(signature.clone(), now).await;
        let expected = sign_body(&text, b"{}", BodySignatureEncoding::Hex);
        assert_eq!(request.headers["x-signature"], expected, "at {now}");
    }
}

#[test]
fn a_scheme_names_the_kinds_of_keys_that_it_needs() {
    let channel = WebhookChannel::new(Arc::new(FakeOutbound::default()));
    for (signature, kinds) in [
        (json!(null), &[KeyKind::Hmac][..]),
        (json!({"scheme": "standard"}), &[KeyKind::Hmac]),
        (json!({"scheme": "ed25519"}), &[KeyKind::Ed25519]),
        (json!({"scheme": "standard+ed25519"}), &[KeyKind::Hmac, KeyKind::Ed25519]),
        (json!({"scheme": "body", "header": "X-Signature"}), &[KeyKind::Hmac]),
    ] {
        let config = json!({"url": "https://example.com/", "signature": signature});
        assert_eq!(channel.signs_with(&config), kinds, "{config}");
        // Nothing is sent without a signature.
        let other = if kinds == [KeyKind::Hmac] { KeyKind::Ed25519 } else { KeyKind::Hmac };
        let text = SigningKey::from_random(other, [1; 32]).reveal();
        assert!(channel.open(&config, keys(&[(&text, None)])).is_err(), "{config}");
    }
}
