//! Retry policies: as they are asked for, with defaults, and as they are shown, complete.

use std::fmt;
use std::time::Duration;

use postrider_domain::RetryPolicy;
use postrider_domain::retry::{Backoff, STANDARD_WEBHOOKS};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Findings, Number};

const DEFAULT_ATTEMPTS: u32 = 5;
const DEFAULT_INITIAL: Duration = Duration::from_secs(1);
const DEFAULT_MULTIPLIER: f64 = 2.0;
const DEFAULT_MAX: Duration = Duration::from_secs(300);
const DEFAULT_JITTER: f64 = 0.1;

/// The name of the schedule that the Standard Webhooks specification recommends.
const PRESET: &str = "standard-webhooks";

/// A retry policy as it is asked for; everything has a default.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RetryInput {
    strategy: Option<String>,
    max_attempts: Option<Number>,
    initial_delay: Option<Number>,
    multiplier: Option<Number>,
    max_delay: Option<Number>,
    jitter: Option<Number>,
    schedule: Option<ScheduleInput>,
}

impl RetryInput {
    /// The policy. What is wrong with it is added to the findings.
    pub(crate) fn policy(self, findings: &mut Findings) -> RetryPolicy {
        let strategy = self.strategy.as_deref().unwrap_or("exponential");
        self.refuse_foreign_options(strategy, findings);
        let mut wait = |field: &str, number: Option<Number>, default| {
            number.map_or(Some(default), |number| findings.seconds(field, number)).unwrap_or(default)
        };
        let initial = wait("retry.initial_delay", self.initial_delay, DEFAULT_INITIAL);
        let max = wait("retry.max_delay", self.max_delay, DEFAULT_MAX);
        let strategy = match strategy {
            "linear" => Backoff::Linear { initial, max },
            "fixed" => Backoff::Fixed { delay: initial },
            "schedule" => {
                let schedule = findings.required("retry.schedule", self.schedule);
                Backoff::Schedule(schedule.map(|schedule| schedule.waits(findings)).unwrap_or_default())
            }
            _ => {
                let multiplier = self.multiplier.map_or(DEFAULT_MULTIPLIER, |number| number.0);
                Backoff::Exponential { initial, multiplier, max }
            }
        };
        let default_attempts = match &strategy {
            Backoff::Schedule(waits) => u32::try_from(waits.len()).unwrap_or(u32::MAX).saturating_add(1),
            _ => DEFAULT_ATTEMPTS,
        };
        let max_attempts = self
            .max_attempts
            .map_or(Some(default_attempts), |number| findings.whole("retry.max_attempts", number));
        RetryPolicy {
            max_attempts: max_attempts.unwrap_or(default_attempts),
            strategy,
            jitter: self.jitter.map_or(DEFAULT_JITTER, |number| number.0),
        }
    }

    fn refuse_foreign_options(&self, strategy: &str, findings: &mut Findings) {
        let own: &[&str] = match strategy {
            "exponential" => &["initial_delay", "multiplier", "max_delay"],
            "linear" => &["initial_delay", "max_delay"],
            "fixed" => &["initial_delay"],
            "schedule" => &["schedule"],
            _ => return findings.add("retry.strategy", "exponential, linear, fixed or schedule"),
        };
        let options = [
            ("initial_delay", self.initial_delay.is_some()),
            ("multiplier", self.multiplier.is_some()),
            ("max_delay", self.max_delay.is_some()),
            ("schedule", self.schedule.is_some()),
        ];
        for (option, is_given) in options {
            if is_given && !own.contains(&option) {
                findings
                    .add(format!("retry.{option}"), format!("does not belong to the strategy {strategy}"));
            }
        }
    }
}

/// The waits one by one, or the name of known ones.
enum ScheduleInput {
    Preset(String),
    Waits(Vec<Number>),
}

impl ScheduleInput {
    fn waits(self, findings: &mut Findings) -> Vec<Duration> {
        match self {
            Self::Preset(name) if name == PRESET => {
                STANDARD_WEBHOOKS.iter().map(|seconds| Duration::from_secs(u64::from(*seconds))).collect()
            }
            Self::Preset(_) => {
                findings.add("retry.schedule", format!("a list of seconds, or the word \"{PRESET}\""));
                Vec::new()
            }
            Self::Waits(waits) => {
                let read = |(index, wait)| findings.seconds(&format!("retry.schedule[{index}]"), wait);
                waits.into_iter().enumerate().filter_map(read).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for ScheduleInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScheduleVisitor;

        impl<'de> Visitor<'de> for ScheduleVisitor {
            type Value = ScheduleInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of seconds, or the word \"{PRESET}\"")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(ScheduleInput::Preset(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(ScheduleInput::Waits)
            }
        }

        deserializer.deserialize_any(ScheduleVisitor)
    }
}

/// A retry policy as it is shown: complete, and accepted when it is sent back.
#[derive(Serialize)]
pub(crate) struct RetryBody {
    strategy: &'static str,
    max_attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_delay: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multiplier: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_delay: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Vec<Number>>,
    jitter: Number,
}

impl RetryBody {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let plain = Self {
            strategy: "exponential",
            max_attempts: policy.max_attempts,
            initial_delay: None,
            multiplier: None,
            max_delay: None,
            schedule: None,
            jitter: Number(policy.jitter),
        };
        let seconds = |wait: &Duration| Some(Number::from(*wait));
        match &policy.strategy {
            Backoff::Exponential { initial, multiplier, max } => Self {
                initial_delay: seconds(initial),
                multiplier: Some(Number(*multiplier)),
                max_delay: seconds(max),
                ..plain
            },
            Backoff::Linear { initial, max } => {
                Self { strategy: "linear", initial_delay: seconds(initial), max_delay: seconds(max), ..plain }
            }
            Backoff::Fixed { delay } => Self { strategy: "fixed", initial_delay: seconds(delay), ..plain },
            Backoff::Schedule(waits) => Self {
                strategy: "schedule",
                schedule: Some(waits.iter().filter_map(seconds).collect()),
                ..plain
            },
        }
    }
}

#[cfg(test)]
mod tests;
