//! Keys, requests, certificates.
