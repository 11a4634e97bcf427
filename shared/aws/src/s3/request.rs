//! What is asked of S3, in the form of its REST API.

use std::fmt;

use aws_runtime::auth::PayloadSigningOverride;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::ser_de::SerializeRequest;
use aws_smithy_types::base64;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::address;

/// The digest of an object in base64, as S3 keeps it beside the object.
pub(super) const CHECKSUM: &str = "x-amz-checksum-sha256";

/// One request for one object.
pub(super) struct Request {
    path: String,
    /// What is to be stored; `None` when the object is read.
    content: Option<Bytes>,
}

/// Never what is in the object.
impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Request").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Request {
    pub(super) fn put(key: &str, content: Bytes) -> Self {
        Self { path: address::path(key), content: Some(content) }
    }

    pub(super) fn get(key: &str) -> Self {
        Self { path: address::path(key), content: None }
    }
}

/// Writes a [`Request`] for HTTP.
#[derive(Debug)]
pub(super) struct WriteRequest;

impl SerializeRequest for WriteRequest {
    fn serialize_input(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let Request { path, content } = input.downcast::<Request>().map_err(|_| "this is no request")?;
        let mut request = HttpRequest::empty();
        request.set_uri(path)?;
        let Some(content) = content else {
            request.set_method("GET")?;
            request.headers_mut().insert("x-amz-checksum-mode", "ENABLED");
            return Ok(request);
        };
        // One digest for the signature and for S3 to keep, computed once for all attempts.
        let digest = Sha256::digest(&content);
        config.interceptor_state().store_put(PayloadSigningOverride::Precomputed(hex::encode(digest)));
        request.set_method("PUT")?;
        let headers = request.headers_mut();
        headers.insert("content-length", content.len().to_string());
        headers.insert("content-type", "application/octet-stream");
        headers.insert(CHECKSUM, base64::encode(digest));
        *request.body_mut() = SdkBody::from(content);
        Ok(request)
    }
}
