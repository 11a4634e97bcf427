//! Where a bucket's objects are: the bucket's URL and the path of an object below it.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for itself in a path; of everything else, the signature wants each byte as `%XX` ("Create a
/// canonical request", `UriEncode`).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where AWS's partitions have their hosts, by the beginning of their regions' names.
const DOMAINS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
];

/// The URL that a bucket's objects are below, without a slash at its end.
pub(super) fn bucket_url(region: &str, endpoint: Option<&str>, bucket: &str) -> String {
    let host = || {
        let domain = DOMAINS.iter().find(|(prefix, _)| region.starts_with(prefix));
        format!("s3.{region}.{}", domain.map_or("amazonaws.com", |(_, domain)| domain))
    };
    match endpoint {
        Some(endpoint) => format!("{}/{}", endpoint.trim_end_matches('/'), encoded(bucket)),
        None if is_label(bucket) => format!("https://{bucket}.{}", host()),
        // AWS's certificate is for one label before the service's name.
        None => format!("https://{}/{}", host(), encoded(bucket)),
    }
}

/// An object's path below its bucket's URL.
pub(super) fn path(key: &str) -> String {
    format!("/{}", encoded(key))
}

fn encoded(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, ENCODED).into()
}

fn is_label(bucket: &str) -> bool {
    bucket.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_has_a_host_of_its_own_where_the_endpoint_is_awss() {
        let url = |region, bucket| bucket_url(region, None, bucket);
        assert_eq!(url("eu-west-1", "bucket"), "https://bucket.s3.eu-west-1.amazonaws.com");
        assert_eq!(url("us-gov-west-1", "bucket"), "https://bucket.s3.us-gov-west-1.amazonaws.com");
        assert_eq!(url("cn-north-1", "bucket"), "https://bucket.s3.cn-north-1.amazonaws.com.cn");
        assert_eq!(url("us-iso-east-1", "bucket"), "https://bucket.s3.us-iso-east-1.c2s.ic.gov");
        assert_eq!(url("us-isob-east-1", "bucket"), "https://bucket.s3.us-isob-east-1.sc2s.sgov.gov");
        for bucket in ["with.dots", "Uppercase", "under_score"] {
            assert_eq!(url("eu-west-1", bucket), format!("https://s3.eu-west-1.amazonaws.com/{bucket}"));
        }
    }

    #[test]
    fn a_bucket_is_in_the_path_where_the_endpoint_is_not_awss() {
        for endpoint in ["http://emulator:4566", "http://emulator:4566/"] {
            assert_eq!(bucket_url("eu-west-1", Some(endpoint), "bucket"), "http://emulator:4566/bucket");
        }
        assert_eq!(bucket_url("eu-west-1", Some("https://host/s3/"), "b"), "https://host/s3/b");
    }

    #[test]
    fn every_byte_of_a_key_that_could_mean_something_is_encoded() {
        assert_eq!(path("payloads/acme/A_b-c.d~e"), "/payloads/acme/A_b-c.d~e");
        assert_eq!(path("e:1/a b+c?d#e&f=g%20"), "/e%3A1/a%20b%2Bc%3Fd%23e%26f%3Dg%2520");
        assert_eq!(path("/a//b/../ü"), "//a//b/../%C3%BC");
    }
}
