use serde_json::{Value, json};

use super::*;

fn read(input: Value) -> Result<RetryPolicy, Vec<String>> {
    let input: RetryInput = serde_json::from_value(input).unwrap();
    let mut findings = Findings::default();
    let policy = input.policy(&mut findings);
    findings.finish(Some(policy)).map_err(|problems| problems.into_iter().map(|p| p.field).collect())
}

fn shown(policy: &RetryPolicy) -> Value {
    serde_json::to_value(RetryBody::new(policy)).unwrap()
}

#[test]
fn nothing_asked_for_is_the_default() {
    assert_eq!(read(json!({})), Ok(RetryPolicy::default()));
    assert_eq!(
        shown(&RetryPolicy::default()),
        json!({"strategy": "exponential", "max_attempts": 5, "initial_delay": 1, "multiplier": 2,
               "max_delay": 300, "jitter": 0.1})
    );
}

#[test]
fn what_is_shown_is_accepted_and_means_the_same() {
    let inputs = [
        json!({"initial_delay": 0.25, "multiplier": 1.5, "max_attempts": 7, "jitter": 0}),
        json!({"strategy": "linear", "initial_delay": 3, "max_delay": 9.5}),
        json!({"strategy": "fixed", "initial_delay": 0}),
        json!({"strategy": "schedule", "schedule": [0.1, 5, 300]}),
        json!({"strategy": "schedule", "schedule": "standard-webhooks", "max_attempts": 4}),
    ];
    for input in inputs {
        let policy = read(input).unwrap();
        assert_eq!(policy.check(), Ok(()));
        assert_eq!(read(shown(&policy)), Ok(policy));
    }
}

#[test]
fn a_schedule_sets_the_number_of_attempts() {
    let attempts =
        |schedule: Value| read(json!({"strategy": "schedule", "schedule": schedule})).unwrap().max_attempts;
    assert_eq!(attempts(json!([1, 2, 3])), 4);
    assert_eq!(attempts(json!("standard-webhooks")), 10);
    assert_eq!(attempts(json!([])), 1);
}

#[test]
fn options_of_another_strategy_are_refused_by_name() {
    let fields = |input| read(input).unwrap_err();
    assert_eq!(fields(json!({"strategy": "linear", "multiplier": 2})), ["retry.multiplier"]);
    assert_eq!(fields(json!({"schedule": [1]})), ["retry.schedule"]);
    assert_eq!(
        fields(json!({"strategy": "fixed", "max_delay": 1, "schedule": "standard-webhooks"})),
        ["retry.max_delay", "retry.schedule"]
    );
    assert_eq!(fields(json!({"strategy": "schedule"})), ["retry.schedule"]);
    assert_eq!(fields(json!({"strategy": "random"})), ["retry.strategy"]);
}

#[test]
fn numbers_that_are_no_waits_or_counts_are_refused_by_name() {
    let fields = |input| read(input).unwrap_err();
    assert_eq!(
        fields(json!({"initial_delay": -1, "max_delay": 1e300})),
        ["retry.initial_delay", "retry.max_delay"]
    );
    assert_eq!(fields(json!({"max_attempts": 2.5})), ["retry.max_attempts"]);
    assert_eq!(fields(json!({"strategy": "schedule", "schedule": [1, -1]})), ["retry.schedule[1]"]);
    assert_eq!(fields(json!({"strategy": "schedule", "schedule": "often"})), ["retry.schedule"]);
}
