//! The demonstration: a tenant, an endpoint that points at the built-in receiver, and an event that arrives.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use anyhow::{Context, bail};
use postrider_application::access::{NewKey, Role};
use postrider_application::endpoints::{Changes, NewEndpoint};
use postrider_application::ingest::Publication;
use postrider_application::query::DeliveryQuery;
use postrider_application::stores::PageRequest;
use postrider_application::stores::tenants::Tenant;
use postrider_domain::event::Audience;
use postrider_domain::{ChannelKind, Delivery, DeliveryStatus, EventId, Subscription, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::dev::say;
use crate::stack::Stack;

const TENANT: &str = "demo";
const RECEIVER: &str = "/_receiver/demo/hello";
const SAMPLE: &str = r#"{"order":1042,"amount":129.90,"currency":"EUR","sample":true}"#;

/// How long the sample event may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the tenant where it is missing, publishes an event, and says what became of it and how to go on.
pub(crate) async fn run(stack: &Stack, base: &str) -> anyhow::Result<()> {
    let tenant: TenantId = TENANT.parse()?;
    if stack.tenants.get(&tenant).await?.is_none() {
        let created_at = stack.clock.now();
        let name = "Demo (made-up data)".to_owned();
        let new = Tenant { id: tenant.clone(), name, publish_limit: None, created_at, version: 0 };
        stack.tenants.create(&new).await?;
        say("made the tenant demo");
    }
    let key = key(stack, &tenant).await?;
    point_at_receiver(stack, &tenant, &format!("{base}{RECEIVER}")).await?;
    let event = publish(stack, &tenant).await?;
    say(&format!("published the sample event {event} of type demo.hello"));
    let delivery = arrival(stack, &tenant, &event).await?;
    report(&delivery)?;
    let key = key.expose_secret();
    say("");
    say(&format!("API key of the tenant demo (admin): {key}"));
    say("");
    say("Publish an event of your own:");
    say("");
    say(&format!("  curl -sS {base}/v1/events \\"));
    say(&format!("    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\"));
    say(r#"    -d '{"type": "demo.hello", "data": {"order": 1043, "amount": 7.50}}'"#);
    say("");
    say(&format!("See what arrived: curl -sS {base}{RECEIVER}"));
    say("Ctrl-C stops.");
    Ok(())
}

/// The demo's key: the one that was kept, or a new one.
async fn key(stack: &Stack, tenant: &TenantId) -> anyhow::Result<SecretString> {
    let file = stack.file("demo.key");
    if let Some(kept) = file.as_ref().and_then(|file| fs::read_to_string(file).ok()) {
        return Ok(SecretString::from(kept.trim().to_owned()));
    }
    let new =
        NewKey { name: "demo".to_owned(), role: Role::Admin, expires_at: None, allowed_cidrs: Vec::new() };
    let (_, key) = stack.services.manage.keys.create(tenant, new).await?;
    if let Some(path) = file {
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(key.expose_secret().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(key)
}

/// Makes the endpoint, or lets it follow a changed port.
async fn point_at_receiver(stack: &Stack, tenant: &TenantId, url: &str) -> anyhow::Result<()> {
    let manage = &stack.services.manage.manage;
    let config = Some(json!({ "url": url }));
    let is_ours = |url: &serde_json::Value| url.as_str().is_some_and(|url| url.ends_with(RECEIVER));
    let endpoints = stack.endpoints.all(tenant).await?;
    match endpoints.iter().find(|record| is_ours(&record.masked_config["url"])) {
        Some(record) if record.masked_config["url"] == url => {}
        Some(record) => {
            manage.update(tenant, record.endpoint.id, Changes { config, ..Changes::default() }).await?;
        }
        None => {
            let everything = Subscription { pattern: "*".parse()?, filter: None };
            let fields = Changes {
                name: Some("Built-in receiver".to_owned()),
                config,
                subscriptions: Some(vec![everything]),
                ..Changes::default()
            };
            let (record, _) =
                manage.create(tenant, NewEndpoint { channel: ChannelKind::Webhook, fields }).await?;
            say(&format!("made the endpoint {} -> {url}", record.endpoint.id));
        }
    }
    Ok(())
}

async fn publish(stack: &Stack, tenant: &TenantId) -> anyhow::Result<EventId> {
    let publication = Publication {
        event_id: None,
        event_type: "demo.hello".parse()?,
        data: SAMPLE.parse()?,
        occurred_at: None,
        source: Some("postrider dev".to_owned()),
        correlation_id: None,
        tags: Vec::new(),
        audience: Audience::Subscribers,
        deliver_at: None,
        priority: postrider_domain::Priority::default(),
    };
    Ok(stack.services.ingest.ingest.accept(tenant, publication).await?.event_id)
}

/// Waits for the sample event's delivery to be attempted.
async fn arrival(stack: &Stack, tenant: &TenantId, event: &EventId) -> anyhow::Result<Delivery> {
    let query = DeliveryQuery { event: Some(event.clone()), ..DeliveryQuery::default() };
    let deadline = stack.clock.now().after(PATIENCE);
    while stack.clock.now() < deadline {
        let page = PageRequest { limit: 10, after: None };
        let deliveries = stack.services.query.lookup.deliveries(tenant, &query, page).await?;
        if let Some(delivery) = deliveries.items.into_iter().find(|delivery| delivery.attempt_count > 0) {
            return Ok(delivery);
        }
        stack.clock.sleep(Duration::from_millis(10)).await;
    }
    bail!("the sample event did not arrive within {} s; --log info tells more", PATIENCE.as_secs())
}

fn report(delivery: &Delivery) -> anyhow::Result<()> {
    let Some(attempt) = delivery.attempts.last() else { bail!("the delivery has no attempt") };
    let status = attempt.response.as_ref().map_or_else(|| "no answer".to_owned(), |r| r.status.to_string());
    let took = attempt.duration.as_millis();
    if delivery.status == DeliveryStatus::Delivered {
        say(&format!("the webhook arrived and its signature was verified: {status} after {took} ms"));
    } else {
        let error = delivery.error.as_deref().unwrap_or("unknown");
        say(&format!("the webhook did not get through ({status}): {error}"));
    }
    Ok(())
}
