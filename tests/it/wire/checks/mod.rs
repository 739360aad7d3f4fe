//! What holds for any bytes whatever. The fuzz targets call these as well.

pub(crate) mod chunked;
pub(crate) mod request;
pub(crate) mod response;
