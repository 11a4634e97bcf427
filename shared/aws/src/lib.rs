//! The ports on AWS: DynamoDB, SQS, S3, Secrets Manager. The only crate that names the SDK.
