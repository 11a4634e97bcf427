//! HTTP requests as API Gateway hands them over (payload format 2.0), answered by an axum router.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use axum::Router;
use http_body_util::BodyExt as _;
use lambda_http::RequestExt as _;
use lambda_http::request::RequestContext;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use postrider_http_api::ClientAddress;
use serde_json::value::RawValue;
use tower::ServiceExt as _;

/// Runs a function that is called by API Gateway, for as long as Lambda lets it.
///
/// # Errors
/// When Lambda's runtime API cannot be used.
pub async fn run_http(router: Router) -> Result<(), Error> {
    let service = service_fn(|event: LambdaEvent<Box<RawValue>>| {
        let router = router.clone();
        async move { answer_http(router, &event.payload).await }
    });
    lambda_runtime::run(service).await
}

/// Answers one request. The caller's address, as API Gateway saw it, goes with it.
///
/// # Errors
/// When the event is not an HTTP request of API Gateway's.
pub async fn answer_http(router: Router, event: &RawValue) -> Result<ApiGatewayV2httpResponse, Error> {
    let mut request = lambda_http::request::from_str(event.get())?;
    let address = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    if let Some(address) = address.and_then(|address| address.parse().ok()) {
        request.extensions_mut().insert(ClientAddress(address));
    }
    let (parts, body) = router.oneshot(request).await?.into_parts();
    let bytes = body.collect().await?.to_bytes();
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(parts.status.as_u16());
    response.headers = parts.headers;
    let body =
        String::from_utf8(bytes.into()).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text);
    response.is_base64_encoded = matches!(body, Body::Binary(_));
    response.body = Some(body);
    Ok(response)
}

#[cfg(test)]
mod tests;
