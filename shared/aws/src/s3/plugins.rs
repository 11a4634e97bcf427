//! What the SDK's runtime needs to know of S3: where it is, how its requests are signed, and which of its answers
//! deserve another attempt.

use std::borrow::Cow;

use aws_config::SdkConfig;
use aws_runtime::auth::sigv4::{SCHEME_ID, SigV4AuthScheme};
use aws_runtime::auth::{SigV4OperationSigningConfig, SigningOptions};
use aws_runtime::retries::classifiers::AwsErrorCodeClassifier;
use aws_runtime::user_agent::{ApiMetadata, UserAgentInterceptor};
use aws_smithy_runtime::client::defaults::{DefaultPluginParams, default_plugins};
use aws_smithy_runtime::client::http::connection_poisoning::ConnectionPoisoningInterceptor;
use aws_smithy_runtime::client::orchestrator::endpoints::{
    StaticUriEndpointResolver, StaticUriEndpointResolverParams,
};
use aws_smithy_runtime::client::retries::RetryPartition;
use aws_smithy_runtime::client::retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier};
use aws_smithy_runtime_api::client::auth::static_resolver::{
    StaticAuthSchemeOptionResolver, StaticAuthSchemeOptionResolverParams,
};
use aws_smithy_runtime_api::client::auth::{AuthSchemeOptionResolverParams, SharedAuthScheme};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::endpoint::{EndpointResolverParams, SharedEndpointResolver};
use aws_smithy_runtime_api::client::interceptors::SharedInterceptor;
use aws_smithy_runtime_api::client::orchestrator::SensitiveOutput;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_runtime_api::client::runtime_plugin::{RuntimePlugins, StaticRuntimePlugin};
use aws_smithy_runtime_api::client::ser_de::{SharedRequestSerializer, SharedResponseDeserializer};
use aws_smithy_types::config_bag::Layer;
use aws_types::SigningName;
use aws_types::region::{Region, SigningRegion};

use super::address::bucket_url;
use super::answer::Content;
use super::error::Refusal;
use super::request::WriteRequest;

/// The statuses after which another attempt may do better.
const WORTH_ANOTHER_ATTEMPT: [u16; 5] = [429, 500, 502, 503, 504];

/// What both operations share, connections included.
pub(super) fn of_client(config: &SdkConfig, bucket: &str) -> RuntimePlugins {
    let region = config.region().cloned().unwrap_or_else(|| Region::from_static("us-east-1"));
    let defaults = DefaultPluginParams::new()
        .with_retry_partition_name(format!("s3-{region}"))
        .with_behavior_version(config.behavior_version().unwrap_or_else(BehaviorVersion::latest))
        .with_is_aws_sdk(true);
    let url = bucket_url(region.as_ref(), config.endpoint_url(), bucket);
    let chosen = StaticRuntimePlugin::new()
        .with_config(layer(config, region).freeze())
        .with_runtime_components(components(config, url));
    RuntimePlugins::new().with_client_plugins(default_plugins(defaults)).with_client_plugin(chosen)
}

/// What is special to an operation: how its answer is read.
pub(super) fn of_operation(content: Content) -> StaticRuntimePlugin {
    let mut layer = Layer::new("S3 operation");
    layer.store_put(SharedRequestSerializer::new(WriteRequest));
    layer.store_put(SharedResponseDeserializer::new(content));
    StaticRuntimePlugin::new().with_config(layer.freeze())
}

/// Counts retries together with all others of a partition.
pub(super) fn retrying_in(partition: RetryPartition) -> StaticRuntimePlugin {
    let mut layer = Layer::new("S3 retries");
    layer.store_put(partition);
    StaticRuntimePlugin::new().with_config(layer.freeze())
}

fn layer(config: &SdkConfig, region: Region) -> Layer {
    let mut layer = Layer::new("S3");
    if let Some(timeouts) = config.timeout_config() {
        layer.store_put(timeouts.clone());
    }
    if let Some(retries) = config.retry_config() {
        layer.store_put(retries.clone());
    }
    // S3 signs a path as it is sent, and the digest of the body in a header.
    let mut signing_options = SigningOptions::default();
    signing_options.double_uri_encode = false;
    signing_options.normalize_uri_path = false;
    signing_options.content_sha256_header = true;
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region)),
        name: Some(SigningName::from_static("s3")),
        signing_options,
        ..SigV4OperationSigningConfig::default()
    });
    layer.store_put(AuthSchemeOptionResolverParams::from(StaticAuthSchemeOptionResolverParams::new()));
    layer.store_put(EndpointResolverParams::from(StaticUriEndpointResolverParams::new()));
    layer.store_put(ApiMetadata::new("s3", env!("CARGO_PKG_VERSION")));
    layer.store_put(SensitiveOutput);
    layer
}

fn components(config: &SdkConfig, url: String) -> RuntimeComponentsBuilder {
    let statuses = Cow::Borrowed(&WORTH_ANOTHER_ATTEMPT[..]);
    let mut components = RuntimeComponentsBuilder::new("S3")
        .with_endpoint_resolver(Some(SharedEndpointResolver::new(StaticUriEndpointResolver::uri(url))))
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
        .with_auth_scheme(SharedAuthScheme::new(SigV4AuthScheme::new()))
        .with_interceptor(SharedInterceptor::permanent(ConnectionPoisoningInterceptor::new()))
        .with_interceptor(SharedInterceptor::permanent(UserAgentInterceptor::new()))
        .with_retry_classifier(HttpStatusCodeClassifier::new_from_codes(statuses))
        .with_retry_classifier(TransientErrorClassifier::<Refusal>::new())
        .with_retry_classifier(AwsErrorCodeClassifier::<Refusal>::new());
    if let Some(credentials) = config.credentials_provider() {
        components = components.with_identity_resolver(SCHEME_ID, credentials);
    }
    // What the configuration leaves open, the runtime has a default for.
    if config.http_client().is_some() {
        components.set_http_client(config.http_client());
    }
    if config.identity_cache().is_some() {
        components.set_identity_cache(config.identity_cache());
    }
    if config.sleep_impl().is_some() {
        components.set_sleep_impl(config.sleep_impl());
    }
    if config.time_source().is_some() {
        components.set_time_source(config.time_source());
    }
    components
}
