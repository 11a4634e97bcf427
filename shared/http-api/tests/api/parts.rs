//! The parts of the API by themselves, as the functions serve them.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::{Method, header};
use postrider_http_api::{ingest_router, manage_router, query_router};
use tower::ServiceExt as _;

use crate::call::Call;
use crate::fixture::Api;
use crate::routes::{Ids, routes};

/// The status that a part answers, and the methods that it says are allowed.
async fn ask(part: &Router, method: Method, path: &str) -> (u16, BTreeSet<String>) {
    let response = part.clone().oneshot(Call::new(method, path).0).await.unwrap();
    let allowed = response.headers().get(header::ALLOW).map(|value| value.to_str().unwrap());
    let allowed = allowed.into_iter().flat_map(|list| list.split(", ")).map(str::to_owned).collect();
    (response.status().as_u16(), allowed)
}

#[tokio::test]
async fn every_part_knows_what_is_allowed_at_the_paths_of_the_others() {
    let api = Api::new().await;
    let ids = Ids::of_acme(&api).await;
    let parts = [
        ingest_router(api.services.ingest.clone()),
        query_router(api.services.query.clone()),
        manage_router(api.services.manage.clone()),
    ];
    for route in routes() {
        let path = route.path_with(&ids);
        for part in &parts {
            let (status, allowed) = ask(part, Method::PUT, &path).await;
            assert_eq!(status, 405, "{path}");
            let same_path = |other: &&crate::routes::Route| other.path_with(&ids) == path;
            let expected: BTreeSet<_> =
                routes().iter().filter(same_path).map(|route| route.method.to_string()).collect();
            assert_eq!(allowed, expected, "{path}");
            // Either it is this part's, which asks for a key, or it is another's.
            let (status, _) = ask(part, route.method.clone(), &path).await;
            assert!(matches!(status, 401 | 405), "{} {path}: {status}", route.method);
        }
    }
    for path in ["/v1", "/v1/nothing", "/v2/events", "/v1/events/a/b", "/v1/events/", "/", "/nothing"] {
        for part in &parts {
            assert_eq!(ask(part, Method::GET, path).await.0, 404, "{path}");
        }
    }
}
