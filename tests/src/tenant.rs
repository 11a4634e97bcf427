//! A tenant with its administrator, and what tests do with it all the time.

use serde_json::{Value, json};

use crate::random::fresh;
use crate::{Client, eventually};

/// A tenant that only one test uses.
pub struct Tenant {
    /// Its id.
    pub id: String,
    /// A caller with the role admin.
    pub admin: Client,
}

/// An endpoint as it was created.
pub struct Endpoint {
    /// Its id.
    pub id: String,
    /// Its signing secret.
    pub secret: String,
    /// The whole answer.
    pub created: Value,
}

impl Tenant {
    /// Creates a tenant and a key for it.
    pub async fn create(platform: &Client, purpose: &str) -> Self {
        let id = format!("{purpose}-{:016x}", fresh());
        platform.post("/v1/tenants", &json!({"id": id, "name": purpose})).await.expect(201).json();
        let acting = platform.acting_for(&id);
        let key =
            acting.post("/v1/keys", &json!({"name": "tests", "role": "admin"})).await.expect(201).json();
        let admin = platform.with_key(text(&key, "key"));
        Self { id, admin }
    }

    /// A caller with another role.
    pub async fn caller(&self, role: &str) -> Client {
        let key = json!({"name": role, "role": role});
        let key = self.admin.post("/v1/keys", &key).await.expect(201).json();
        self.admin.with_key(text(&key, "key"))
    }

    /// An endpoint that wants everything at a URL, changed by the members of `fields`.
    pub async fn endpoint(&self, url: &str, fields: Value) -> Endpoint {
        let endpoint = endpoint_request(url, fields);
        let created = self.admin.post("/v1/endpoints", &endpoint).await.expect(201).json();
        let (id, secret) = (text(&created, "id").to_owned(), text(&created, "secret").to_owned());
        Endpoint { id, secret, created }
    }

    /// The same with as high a rate limit as there is, for those that get very many events.
    pub async fn fast_endpoint(&self, url: &str, mut fields: Value) -> Endpoint {
        fields["rate_limit"] = json!({"per_second": 100_000, "burst": 100_000});
        self.endpoint(url, fields).await
    }

    /// Publishes a new event. Answers its id.
    pub async fn publish(&self, event: &Value) -> String {
        let accepted = self.admin.post("/v1/events", event).await.expect(202).json();
        assert_eq!(accepted["duplicate"], false, "{accepted}");
        assert_eq!(accepted["status"], "accepted", "{accepted}");
        text(&accepted, "event_id").to_owned()
    }

    /// Waits until the delivery of an event to an endpoint has a status. Answers it with its attempts.
    pub async fn delivery(&self, event: &str, endpoint: &str, status: &str) -> Value {
        let list = format!("/v1/deliveries?event_id={event}&endpoint_id={endpoint}");
        let what = format!("the delivery of {event} to {endpoint} to be {status}");
        let found = eventually(&what, async || {
            let page = self.admin.get(&list).await.expect(200).json();
            match page["items"].as_array().map(Vec::as_slice) {
                Some([delivery]) if delivery["status"] == status => Ok(text(delivery, "id").to_owned()),
                _ => Err(page.to_string()),
            }
        });
        let id = found.await;
        self.admin.get(&format!("/v1/deliveries/{id}")).await.expect(200).json()
    }

    /// Waits until a job has come to a state.
    pub async fn job(&self, job: &Value, state: &str) -> Value {
        let path = format!("/v1/jobs/{}", text(job, "id"));
        eventually(&format!("{path} to be {state}"), async || {
            let job = self.admin.get(&path).await.expect(200).json();
            if job["state"] == state { Ok(job) } else { Err(job.to_string()) }
        })
        .await
    }

    /// Waits until a delivery became a dead letter. Answers the dead letter.
    pub async fn dead_letter(&self, delivery: &Value) -> Value {
        let id = text(delivery, "id");
        eventually(&format!("a dead letter of {id}"), async || {
            let page = self.admin.get("/v1/dead-letters?limit=100").await.expect(200).json();
            let mut letters = page["items"].as_array().into_iter().flatten();
            let letter = letters.find(|letter| letter["delivery_id"] == id && letter["state"] == "pending");
            letter.cloned().ok_or_else(|| page.to_string())
        })
        .await
    }
}

/// The request for an endpoint that wants everything at a URL, changed by the members of `fields`. The members
/// of its `config` join those that are there.
pub fn endpoint_request(url: &str, fields: Value) -> Value {
    let mut endpoint = json!({
        "name": "receiver",
        "channel": "webhook",
        "config": {"url": url},
        "subscriptions": [{"event_type": "*"}],
    });
    let Value::Object(fields) = fields else { panic!("not an object: {fields}") };
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("config", Value::Object(config)) => {
                config.into_iter().for_each(|(name, value)| endpoint["config"][name] = value);
            }
            (_, value) => endpoint[name] = value,
        }
    }
    endpoint
}

/// A text member.
#[track_caller]
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_else(|| panic!("no text {member}: {value}"))
}

/// A list member.
#[track_caller]
pub fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value[member].as_array().unwrap_or_else(|| panic!("no list {member}: {value}"))
}
