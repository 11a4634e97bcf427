//! Links to objects: a GET that was signed in advance, so that it needs no credentials ("Authenticating Requests: Using
//! Query Parameters").

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;

use super::address::{bucket_url, path};
use super::error::S3Error;

/// As what the object is served. It was stored as bytes.
const SERVED_AS: &str = "response-cache-control=no-store&response-content-type=application%2Fjson";

/// Makes links to the objects of one bucket.
#[derive(Debug, Clone)]
pub(super) struct Links {
    bucket_url: String,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
}

impl Links {
    pub(super) fn of(config: &SdkConfig, bucket: &str) -> Self {
        let region = config.region().map_or("us-east-1", |region| region.as_ref()).to_owned();
        let bucket_url = bucket_url(&region, config.endpoint_url(), bucket);
        Self { bucket_url, region, credentials: config.credentials_provider() }
    }

    /// A link to an object, good from `now` on, and no longer than the credentials that sign it.
    pub(super) async fn link(
        &self,
        key: &str,
        now: SystemTime,
        valid_for: Duration,
    ) -> Result<String, S3Error> {
        let failed =
            |error: Box<dyn std::error::Error + Send + Sync>| S3Error::failed("was not asked", error);
        let provider = self.credentials.as_ref().ok_or_else(|| failed("there are no credentials".into()))?;
        let credentials = provider.provide_credentials().await.map_err(|error| failed(error.into()))?;
        let identity = Identity::from(credentials);
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(valid_for);
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("s3")
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| failed(error.into()))?;
        let url = format!("{}{}?{SERVED_AS}", self.bucket_url, path(key));
        let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::UnsignedPayload);
        let signed = request.and_then(|request| sign(request, &params.into()));
        let (instructions, _) = signed.map_err(|error| failed(error.into()))?.into_parts();
        let mut request = http::Request::get(&url).body(()).map_err(|error| failed(error.into()))?;
        instructions.apply_to_request_http1x(&mut request);
        Ok(request.uri().to_string())
    }
}
