//! Names of fields that come with nearly every message and that `http` has to allocate.

use http::HeaderName;

/// The name of a field in lower case, or `None` if it is no token.
pub(super) fn read(name: &str) -> Option<HeaderName> {
    macro_rules! common {
        ($($text:literal)*) => {
            $(if name.eq_ignore_ascii_case($text) {
                static NAME: HeaderName = HeaderName::from_static($text);
                return Some(NAME.clone());
            })*
        };
    }
    // What browsers send with each request, and apps with many a response. Each is an allocation saved; those of a
    // browser are a tenth of what its head costs.
    common!(
        "sec-fetch-site" "sec-fetch-mode" "sec-fetch-dest" "sec-fetch-user"
        "sec-ch-ua" "sec-ch-ua-mobile" "sec-ch-ua-platform" "priority" "x-requested-with"
        "keep-alive" "permissions-policy" "x-powered-by" "x-request-id" "x-runtime"
    );
    HeaderName::from_bytes(name.as_bytes()).ok()
}
