//! Why an object could not be stored or read.

use std::error::Error as StdError;
use std::fmt;

use aws_smithy_runtime_api::client::interceptors::context::Error;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::ErrorMetadata;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// An error's code is not longer.
const CODE_CHARACTERS: usize = 64;

/// An object could not be stored or read; what could be tried again has been.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// S3 says no.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
    /// S3 said nothing that is of use.
    #[error("S3 {what}")]
    Failed {
        /// What S3 did, such as "was not reached".
        what: &'static str,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl S3Error {
    pub(super) fn failed(what: &'static str, source: Box<dyn StdError + Send + Sync>) -> Self {
        Self::Failed { what, source }
    }
}

/// The SDK's error would show the whole answer to whoever prints it for debugging.
impl From<SdkError<Error, HttpResponse>> for S3Error {
    fn from(error: SdkError<Error, HttpResponse>) -> Self {
        let what = match &error {
            SdkError::ConstructionFailure(_) => "was not asked",
            SdkError::TimeoutError(_) => "did not answer in time",
            SdkError::DispatchFailure(_) => "was not reached",
            _ => "did not answer properly",
        };
        match error {
            SdkError::ServiceError(refused) => match refused.into_err().downcast::<Refusal>() {
                Ok(refusal) => Self::Refused(Box::new(refusal)),
                Err(other) => Self::failed(what, other.into()),
            },
            error => match error.into_source() {
                Ok(source) => Self::failed(what, source),
                Err(error) => Self::failed(what, error.into()),
            },
        }
    }
}

/// S3's answer that it did not do what it was asked for: its status, its code, and the request's id. The rest of
/// such an answer is left out, because it may repeat the request with its session token.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    request_id: Option<String>,
    metadata: ErrorMetadata,
}

impl Refusal {
    pub(super) fn of(response: &HttpResponse, content: &[u8]) -> Self {
        let mut metadata = ErrorMetadata::builder();
        if let Some(code) = code(&String::from_utf8_lossy(content)) {
            metadata = metadata.code(code);
        }
        let request_id = response.headers().get("x-amz-request-id").filter(|id| is_word(id));
        Self {
            status: response.status().as_u16(),
            request_id: request_id.map(str::to_owned),
            metadata: metadata.build(),
        }
    }

    /// Whether it is only the object that does not exist.
    pub(super) fn is_no_such_key(&self) -> bool {
        self.metadata.code() == Some("NoSuchKey")
    }
}

impl ProvideErrorMetadata for Refusal {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

impl StdError for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "S3 answered {}", self.status)?;
        if let Some(code) = self.metadata.code() {
            write!(formatter, " {code}")?;
        }
        if let Some(id) = &self.request_id {
            write!(formatter, " to request {id}")?;
        }
        Ok(())
    }
}

/// The code in `<Error><Code>AccessDenied</Code>...`.
fn code(body: &str) -> Option<&str> {
    let (code, _) = body.split_once("<Code>")?.1.split_once("</Code>")?;
    is_word(code).then_some(code)
}

fn is_word(text: &str) -> bool {
    let fits = (1..=CODE_CHARACTERS).contains(&text.len());
    fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_found_and_nothing_else_is_taken_for_one() {
        let declared =
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Key>a</Key></Error>";
        assert_eq!(code(declared), Some("NoSuchKey"));
        assert_eq!(code("<Error><Code>Invalid.Thing2</Code></Error>"), Some("Invalid.Thing2"));
        let long = format!("<Code>{}</Code>", "x".repeat(65));
        for nothing in ["", "<Code>", "<Code></Code>", "<Code>a b</Code>", "</Code><Code>", "{}", &long] {
            assert_eq!(code(nothing), None, "{nothing}");
        }
    }
}
