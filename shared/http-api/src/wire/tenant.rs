//! Tenants: as they are created and changed, and as they are shown.

use std::str::FromStr;

use postrider_application::stores::tenants::Tenant;
use postrider_domain::{FieldProblem, RateLimit, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::rate_limit::{RateLimitBody, RateLimitInput};
use super::{Findings, Object, Shown, given};

/// A tenant to be created.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantInput {
    id: Option<String>,
    name: Option<String>,
    publish_limit: Option<Object<RateLimitInput>>,
}

/// Changes of a tenant.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TenantChanges {
    name: Option<String>,
    #[serde(deserialize_with = "given")]
    publish_limit: Option<Option<Object<RateLimitInput>>>,
}

impl TenantInput {
    pub(crate) fn creation(self, now: Timestamp) -> Result<Tenant, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let id = findings.required("id", self.id.as_deref());
        let id = findings.read("id", id, TenantId::from_str);
        let name = findings.required("name", self.name);
        if let Some(name) = &name {
            findings.name(name);
        }
        let publish_limit = read_limit(self.publish_limit, &mut findings);
        let tenant = |(id, name)| Tenant { id, name, publish_limit, created_at: now, version: 0 };
        findings.finish(id.zip(name).map(tenant))
    }
}

impl TenantChanges {
    /// The tenant as it is to be.
    pub(crate) fn apply(self, before: &Tenant) -> Result<Tenant, Vec<FieldProblem>> {
        let mut findings = Findings::default();
        let mut tenant = before.clone();
        if let Some(name) = self.name {
            findings.name(&name);
            tenant.name = name;
        }
        if let Some(limit) = self.publish_limit {
            tenant.publish_limit = read_limit(limit, &mut findings);
        }
        findings.finish(Some(tenant))
    }
}

fn read_limit(input: Option<Object<RateLimitInput>>, findings: &mut Findings) -> Option<RateLimit> {
    let Object(input) = input?;
    let limit = input.limit("publish_limit", findings);
    for problem in limit.check().err().unwrap_or_default() {
        let problem = problem.within("publish_limit");
        findings.add(problem.field, problem.message);
    }
    Some(limit)
}

/// A tenant.
#[derive(Serialize)]
pub(crate) struct TenantBody<'a> {
    id: &'a str,
    name: &'a str,
    publish_limit: Option<RateLimitBody>,
    created_at: Shown<Timestamp>,
}

impl<'a> TenantBody<'a> {
    pub(crate) fn new(tenant: &'a Tenant) -> Self {
        Self {
            id: tenant.id.as_str(),
            name: &tenant.name,
            publish_limit: tenant.publish_limit.as_ref().map(RateLimitBody::new),
            created_at: Shown(tenant.created_at),
        }
    }
}
