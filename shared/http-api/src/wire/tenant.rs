//! Tenants: as they are created and as they are shown.

use std::str::FromStr;

use postrider_application::stores::tenants::Tenant;
use postrider_domain::{FieldProblem, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Findings, Shown};

/// A tenant to be created.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TenantInput {
    id: Option<String>,
    name: Option<String>,
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
        findings.finish(id.zip(name).map(|(id, name)| Tenant { id, name, created_at: now }))
    }
}

/// A tenant.
#[derive(Serialize)]
pub(crate) struct TenantBody<'a> {
    id: &'a str,
    name: &'a str,
    created_at: Shown<Timestamp>,
}

impl<'a> TenantBody<'a> {
    pub(crate) fn new(tenant: &'a Tenant) -> Self {
        Self { id: tenant.id.as_str(), name: &tenant.name, created_at: Shown(tenant.created_at) }
    }
}
