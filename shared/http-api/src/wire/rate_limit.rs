//! Rate limits: as they are asked for, with defaults, and as they are shown, complete.

use postrider_domain::RateLimit;
use postrider_domain::rate_limit::DEFAULT_PER_SECOND;
use serde::{Deserialize, Serialize};

use super::{Findings, Number};

/// A rate limit as it is asked for; everything has a default.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RateLimitInput {
    per_second: Option<Number>,
    burst: Option<Number>,
}

impl RateLimitInput {
    /// The limit in the field `field`. What is wrong with it is added to the findings.
    pub(crate) fn limit(self, field: &str, findings: &mut Findings) -> RateLimit {
        let steady = RateLimit::steady(self.per_second.map_or(DEFAULT_PER_SECOND, |number| number.0));
        let burst = self.burst.and_then(|number| findings.whole(&format!("{field}.burst"), number));
        RateLimit { burst: burst.unwrap_or(steady.burst), ..steady }
    }
}

/// A rate limit as it is shown.
#[derive(Serialize)]
pub(crate) struct RateLimitBody {
    per_second: Number,
    burst: u32,
}

impl RateLimitBody {
    pub(crate) const fn new(limit: &RateLimit) -> Self {
        Self { per_second: Number(limit.per_second), burst: limit.burst }
    }
}
