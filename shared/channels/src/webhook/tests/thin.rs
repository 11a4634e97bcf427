//! A link in place of the data.

use postrider_application::links::DataLink;
use postrider_domain::signature::SigningSecret;
use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_649_367_553_999);

fn link() -> DataLink {
    let url = "https://events.example.com/d/AQAB?signature=c2lnbmVk".to_owned();
    DataLink { url, expires_at: Timestamp::from_millis(1_649_972_353_000), bytes: 4_900_000 }
}

#[tokio::test]
async fn a_link_is_sent_in_place_of_the_data_and_signed_like_any_body() {
    let outbound = Arc::new(FakeOutbound::default());
    let config = json!({"url": "https://example.com/", "payload": "thin", "link_ttl_seconds": 3600});
    let channel = WebhookChannel::new(outbound.clone()).linking(true);
    assert_eq!(channel.check(&config), Ok(()));
    let destination = channel.open(&config, keys(&[(SECRET, None)])).ok().unwrap();
    assert_eq!(destination.link_ttl(), Some(Duration::from_secs(3600)));

    let result = attempt_to(&*destination, Content::Link(&link()), NOW).await;
    let request = outbound.request();
    let body = concat!(
        r#"{"id":"msg_27UH4WbU6Z5A5EzD8u03UvzRbpk","type":"user.created","timestamp":"2026-01-31T12:00:00.123Z","#,
        r#""data_url":"https://events.example.com/d/AQAB?signature=c2lnbmVk","#,
        r#""data_url_expires_at":"2022-04-14T21:39:13.000Z","data_bytes":4900000}"#,
    );
    assert_eq!(request.body, body);
    let secret: SigningSecret = SECRET.parse().unwrap();
    let signature = secret.sign_standard("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body.as_bytes());
    assert_eq!(request.headers["webhook-signature"], signature);
    assert!(!format!("{result:?}").contains("c2lnbmVk"), "the link is not put on record");
    assert!(!format!("{:?}", link()).contains("c2lnbmVk"), "nor printed");
}

#[test]
fn whoever_sends_the_data_asks_for_no_link() {
    let channel = WebhookChannel::new(Arc::new(FakeOutbound::default()));
    for payload in ["envelope", "data"] {
        let config = json!({"url": "https://example.com/", "payload": payload});
        assert_eq!(channel.check(&config), Ok(()));
        assert_eq!(channel.open(&config, keys(&[(SECRET, None)])).ok().unwrap().link_ttl(), None);
    }
}

#[test]
fn where_no_link_can_be_made_no_endpoint_asks_for_one() {
    let channel = WebhookChannel::new(Arc::new(FakeOutbound::default()));
    let config = json!({"url": "https://example.com/", "payload": "thin"});
    let problem = channel.check(&config).unwrap_err().remove(0);
    assert_eq!(problem.field, "payload");
    assert!(problem.message.contains("POSTRIDER_PUBLIC_URL"), "{problem}");
}
