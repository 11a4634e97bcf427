//! API keys: as they are asked for and as they are shown, with their text only once.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use postrider_application::access::{NewKey, Role};
use postrider_application::stores::api_keys::ApiKey;
use postrider_domain::{FieldProblem, KeyId, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{Findings, Shown};

/// The most networks that one key can be bound to.
const MAX_CIDRS: usize = 100;

/// A key to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyInput {
    name: Option<String>,
    role: Option<String>,
    expires_at: Option<String>,
    allowed_cidrs: Option<Vec<String>>,
}

impl KeyInput {
    pub(crate) fn creation(self, now: Timestamp) -> Result<NewKey, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let name = findings.required("name", self.name);
        if let Some(name) = &name {
            findings.name(name);
        }
        let role = findings.required("role", self.role.as_deref());
        let role = findings.read("role", role, Role::from_str);
        let expires_at = findings.read("expires_at", self.expires_at.as_deref(), Timestamp::parse);
        if expires_at.is_some_and(|end| end <= now) {
            findings.add("expires_at", "a time in the future");
        }
        let cidrs = self.allowed_cidrs.unwrap_or_default();
        if cidrs.len() > MAX_CIDRS {
            findings.add("allowed_cidrs", format!("at most {MAX_CIDRS} networks"));
        }
        let mut allowed_cidrs = Vec::new();
        for (index, text) in cidrs.iter().take(MAX_CIDRS).enumerate() {
            match read_network(text) {
                Some(network) => allowed_cidrs.push(network),
                None => findings.add(
                    format!("allowed_cidrs[{index}]"),
                    "a network such as 203.0.113.0/24 or 2001:db8::/32, or an address",
                ),
            }
        }
        let new = name.zip(role).map(|(name, role)| NewKey { name, role, expires_at, allowed_cidrs });
        findings.finish(new)
    }
}

fn read_network(text: &str) -> Option<IpNet> {
    let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()?;
    Some(network.trunc())
}

/// A key.
#[derive(Serialize)]
pub(crate) struct KeyBody<'a> {
    id: Shown<KeyId>,
    name: &'a str,
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    expires_at: Option<Shown<Timestamp>>,
    allowed_cidrs: Vec<Shown<IpNet>>,
    created_at: Shown<Timestamp>,
}

impl<'a> KeyBody<'a> {
    pub(crate) fn new(key: &'a ApiKey) -> Self {
        Self {
            id: Shown(key.id),
            name: &key.name,
            role: key.role.as_str(),
            key: None,
            expires_at: key.expires_at.map(Shown),
            allowed_cidrs: key.allowed_cidrs.iter().copied().map(Shown).collect(),
            created_at: Shown(key.created_at),
        }
    }

    /// The same key with its text, which is shown when it is made.
    pub(crate) fn with_text(key: &'a ApiKey, text: &'a SecretString) -> Self {
        Self { key: Some(text.expose_secret()), ..Self::new(key) }
    }
}
