use axum::extract::Extension;
use axum::http::{HeaderMap, Uri};
use axum::routing::post;
use serde_json::{Value, json};

use super::*;

const SAMPLE: &str = include_str!("../../../../events/ingest/http.json");

async fn answer(router: Router, event: &str) -> Value {
    let event: Box<RawValue> = serde_json::from_str(event).unwrap();
    serde_json::to_value(answer_http(router, &event).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_request_comes_whole_and_its_answer_goes_back() {
    let route = post(
        async |Extension(ClientAddress(address)): Extension<ClientAddress>,
               headers: HeaderMap,
               body: String| {
            let kind = headers["content-type"].to_str().unwrap().to_owned();
            let body: Value = serde_json::from_str(&body).unwrap();
            ([("x-answer", "yes")], format!("{address} {kind} {}", body["type"]))
        },
    );
    let answer = answer(Router::new().route("/v1/events", route), SAMPLE).await;
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["headers"]["x-answer"], "yes");
    assert_eq!(answer["body"], "203.0.113.7 application/json \"order.paid\"");
    assert_eq!(answer["isBase64Encoded"], false);
}

#[tokio::test]
async fn path_and_query_arrive_as_they_were_sent() {
    let mut event: Value = serde_json::from_str(SAMPLE).unwrap();
    event["rawPath"] = json!("/v1/events/a%3Ab");
    event["rawQueryString"] = json!("cursor=a%2Bb&limit=5");
    event["queryStringParameters"] = json!({ "cursor": "a+b", "limit": "5" });
    let router = Router::new().fallback(async |uri: Uri| uri.to_string());
    let answer = answer(router, &event.to_string()).await;
    let uri: Uri = answer["body"].as_str().unwrap().parse().unwrap();
    assert_eq!((uri.path(), uri.query()), ("/v1/events/a%3Ab", Some("cursor=a%2Bb&limit=5")));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let event = serde_json::from_str::<Box<RawValue>>(r#"{"detail-type":"a"}"#).unwrap();
    assert!(answer_http(Router::new(), &event).await.is_err());
}
