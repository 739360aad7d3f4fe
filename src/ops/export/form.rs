//! What each program wants to read. Pure.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zeroize::Zeroizing;

use super::Format;
use crate::ident::Name;
use crate::ops::OpsError;
use crate::store::Item;

const CERTIFICATE: &str = "fullchain.pem";
const KEY: &str = "key.pem";

/// One file.
pub(super) struct Part {
    pub(super) file: String,
    pub(super) text: Zeroizing<String>,
}

/// All of it as one text.
pub(super) fn text(item: &Item, name: &Name, format: Format) -> Result<Zeroizing<String>, OpsError> {
    match format {
        Format::Pem | Format::Haproxy => Ok(bundle(item)),
        Format::K8sSecret => Ok(secret(item, name)),
        Format::Nginx => {
            Err(OpsError::Refused("nginx reads files: say where they go, with --out DIR".to_owned()))
        }
    }
}

/// The files, in the order in which they take their places: keys first, and last what names the others.
pub(super) fn files(item: &Item, name: &Name, format: Format, directory: &Path) -> Vec<Part> {
    let part = |file: &str, text| Part { file: file.to_owned(), text };
    let pair = || {
        let chain = Zeroizing::new(item.bundle().chain().crt_chain_pem());
        vec![part(KEY, item.bundle().key().to_pem()), part(CERTIFICATE, chain)]
    };
    match format {
        Format::Pem => pair(),
        Format::Nginx => {
            let lines = Zeroizing::new(nginx(directory));
            pair().into_iter().chain([part("nginx.conf", lines)]).collect()
        }
        Format::Haproxy => vec![part(&format!("{}.pem", plain(name)), bundle(item))],
        Format::K8sSecret => vec![part(&format!("{}.yaml", secret_name(name)), secret(item, name))],
    }
}

/// Leaf, intermediates, key: the order HAProxy's manual shows, and every other reader of bundles takes.
fn bundle(item: &Item) -> Zeroizing<String> {
    let mut text = item.bundle().key().to_pem();
    text.insert_str(0, &item.bundle().chain().crt_chain_pem());
    text
}

/// For the `server` block.
fn nginx(directory: &Path) -> String {
    let quoted = |file: &str| {
        let path = directory.join(file).display().to_string();
        path.replace('\\', "\\\\").replace('"', "\\\"")
    };
    format!("ssl_certificate     \"{}\";\nssl_certificate_key \"{}\";\n", quoted(CERTIFICATE), quoted(KEY))
}

fn secret(item: &Item, name: &Name) -> Zeroizing<String> {
    let coded = |text: &str| Zeroizing::new(BASE64_STANDARD.encode(text));
    let certificate = coded(&item.bundle().chain().crt_chain_pem());
    let key = coded(&item.bundle().key().to_pem());
    Zeroizing::new(format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {}\ntype: kubernetes.io/tls\ndata:\n  tls.crt: {}\n  tls.key: {}\n",
        secret_name(name),
        *certificate,
        *key
    ))
}

/// The name without what shells and clusters take amiss.
fn plain(name: &Name) -> String {
    name.to_string().replace("*.", "wildcard.").replace(':', "-")
}

/// `example-com-tls`: letters, digits and hyphens, as Kubernetes wants the names of things.
fn secret_name(name: &Name) -> String {
    let plain = plain(name);
    let plain = plain.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let mut label = plain.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    label.truncate(240);
    label + "-tls"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_files_and_of_secrets() {
        for (name, file, secret) in [
            ("example.com", "example.com", "example-com-tls"),
            ("*.example.com", "wildcard.example.com", "wildcard-example-com-tls"),
            ("2001:db8::1", "2001-db8--1", "2001-db8--1-tls"),
            ("a_b.example", "a_b.example", "a-b-example-tls"),
        ] {
            let name = Name::parse(name).expect("a name");
            assert_eq!((plain(&name), secret_name(&name)), (file.to_owned(), secret.to_owned()));
        }
    }
}
