//! What S3 answers: an object's content, or why not.

use std::fmt;

use aws_smithy_runtime_api::client::interceptors::context::{Error, Output};
use aws_smithy_runtime_api::client::orchestrator::{HttpResponse, OrchestratorError};
use aws_smithy_runtime_api::client::ser_de::DeserializeResponse;
use aws_smithy_types::base64;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::error::{Refusal, S3Error};
use super::request::CHECKSUM;

/// Reads an answer, and whether its content is to be what its checksum says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    /// It is the object whose checksum the answer names.
    Checked,
    /// There is none; a checksum would be that of what was stored.
    Unchecked,
}

/// What an answer contained; what that is, is not written anywhere.
struct Read(Bytes);

impl fmt::Debug for Read {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Read({} bytes)", self.0.len())
    }
}

/// What arrived is not what was stored. Another attempt may bring it.
#[derive(Debug, thiserror::Error)]
#[error("the content does not have the SHA-256 digest that S3 keeps for it")]
struct Corrupt;

impl DeserializeResponse for Content {
    /// The runtime has read the whole content by now, and made sure that it has the length that was announced.
    fn deserialize_nonstreaming_with_config(
        &self,
        response: &HttpResponse,
        _: &ConfigBag,
    ) -> Result<Output, OrchestratorError<Error>> {
        let content = response.body().bytes().unwrap_or_default();
        if !response.status().is_success() {
            return Err(OrchestratorError::operation(Error::erase(Refusal::of(response, content))));
        }
        let checksum = response.headers().get(CHECKSUM);
        if matches!(self, Self::Checked) && checksum.is_some_and(|kept| contradicts(kept, content)) {
            return Err(OrchestratorError::response(Corrupt.into()));
        }
        Ok(Output::erase(Read(Bytes::copy_from_slice(content))))
    }
}

/// Whether a checksum is that of other content. One with a number of parts behind it says nothing of the whole.
fn contradicts(checksum: &str, content: &[u8]) -> bool {
    !checksum.contains('-') && checksum != base64::encode(Sha256::digest(content))
}

/// The content of an answer that was read.
pub(super) fn content_of(answer: Output) -> Result<Bytes, S3Error> {
    let read = answer.downcast::<Read>();
    read.map(|read| read.0).map_err(|_| S3Error::failed("did not answer properly", "nothing was read".into()))
}
