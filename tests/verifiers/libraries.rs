//! One test for each library: what is genuine passes, what is tampered with does not.

use postrider_tests::Target;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use standardwebhooks::Webhook;

use crate::cases::{Case, cases, key_set_cases};
use crate::programs;

pub(crate) async fn the_rust_library_verifies_deliveries(target: &Target) {
    let cases = cases(target).await;
    let verdicts = cases.iter().map(|case| {
        let mut headers = HeaderMap::new();
        for (name, value) in &case.headers {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        match Webhook::new(&case.secret).unwrap().verify(&case.body, &headers) {
            Ok(()) => "ok".to_owned(),
            Err(error) => format!("fail {error}"),
        }
    });
    assert_verdicts(&cases, verdicts.collect());
}

pub(crate) async fn the_python_library_verifies_deliveries(target: &Target) {
    let cases = cases(target).await;
    let verdicts = programs::python(&cases);
    assert_verdicts(&cases, verdicts);
}

pub(crate) async fn the_javascript_library_verifies_deliveries(target: &Target) {
    let cases = cases(target).await;
    let verdicts = programs::node(&cases);
    assert_verdicts(&cases, verdicts);
}

pub(crate) async fn node_verifies_deliveries_with_a_published_key_set(target: &Target) {
    let cases = key_set_cases(target).await;
    let verdicts = programs::node_with_key_sets(&cases);
    assert_verdicts(&cases, verdicts);
}

fn assert_verdicts(cases: &[Case], verdicts: Vec<String>) {
    assert_eq!(verdicts.len(), cases.len(), "a verdict for each: {verdicts:?}");
    for (case, verdict) in cases.iter().zip(verdicts) {
        let expected = if case.genuine { "ok" } else { "fail" };
        assert_eq!(verdict.split(' ').next(), Some(expected), "{}: {verdict}", case.what);
    }
}
