//! What a request asks for (RFC 9112 section 3.2).

use http::uri::{PathAndQuery, Scheme};
use http::{Method, Uri};

use super::Refusal;

/// The target of a request: origin-form, absolute-form, or `*` for OPTIONS.
///
/// It passes as it came, also with those bytes that a URI should have encoded and browsers leave as they are. A
/// fragment and raw UTF-8 do not pass: what one server cuts off or decodes, the next one takes at its word.
///
/// # Errors
///
/// [`Refusal::TARGET`].
pub(super) fn read(target: &[u8], method: &Method) -> Result<Uri, Refusal> {
    // `httparse` has let no control bytes through.
    if !target.is_ascii() || target.contains(&b'#') {
        return Err(Refusal::TARGET);
    }
    if target == b"*" {
        return if method == Method::OPTIONS { Ok(Uri::from_static("*")) } else { Err(Refusal::TARGET) };
    }
    let uri = Uri::try_from(target).map_err(|_| Refusal::TARGET)?;
    let Some(authority) = uri.authority() else { return Ok(uri) };
    let ours = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    // A name and a password would be sent on to whoever logs the request (RFC 9110 section 4.2.4).
    if !ours || authority.as_str().contains('@') {
        return Err(Refusal::TARGET);
    }
    if uri.path_and_query().is_some_and(|path| path.as_str().starts_with('?')) {
        return with_path(uri);
    }
    Ok(uri)
}

/// `http://example.com?q` asks for `/?q` (RFC 9112 section 3.2.1).
fn with_path(uri: Uri) -> Result<Uri, Refusal> {
    let mut parts = uri.into_parts();
    let path = parts.path_and_query.as_ref().map_or("", PathAndQuery::as_str);
    parts.path_and_query = Some(format!("/{path}").parse().map_err(|_| Refusal::TARGET)?);
    Uri::from_parts(parts).map_err(|_| Refusal::TARGET)
}
