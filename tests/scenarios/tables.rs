//! Tables of requests that are refused, and how.

use postrider_tests::{Client, Reply};
use reqwest::Method;

/// Sends each body and checks that it is refused with this status, naming this field.
pub(crate) async fn assert_refused(client: &Client, method: Method, path: &str, table: &[(&str, u16, &str)]) {
    for (body, status, field) in table {
        let answer = client.call(method.clone(), path, Some((*body).to_owned().into())).await;
        assert_eq!(answer.status, *status, "{method} {path} with {body}: {}", answer.text());
        names(&answer, *status, field, body);
    }
}

/// Checks that a refusal names a field.
#[track_caller]
fn names(answer: &Reply, status: u16, field: &str, body: &str) {
    let kind = if status == 422 { "validation" } else { "bad-request" };
    let problem = answer.problem(status, kind);
    let named: Vec<_> =
        problem["errors"].as_array().into_iter().flatten().map(|error| &error["field"]).collect();
    assert!(named.iter().any(|name| **name == *field), "{body} does not name {field}: {problem}");
}
