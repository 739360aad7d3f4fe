//! The public half of a key in the numbers it consists of.

use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::PrivateKey;

/// What a public key consists of: unsigned numbers, the highest byte first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicNumbers {
    /// A point on the curve of the key; both numbers have the curve's length.
    Point {
        /// Along the curve's first axis.
        x: Vec<u8>,
        /// Along its second one.
        y: Vec<u8>,
    },
    /// RSA; neither number begins with a zero.
    Rsa {
        /// The product of the primes.
        modulus: Vec<u8>,
        /// To which power a signature is raised.
        exponent: Vec<u8>,
    },
}

impl PrivateKey {
    /// The numbers of the public half; `None` for a kind of key that is never made here.
    #[must_use]
    pub fn public_numbers(&self) -> Option<PublicNumbers> {
        let spki = self.spki();
        let (_, info) = SubjectPublicKeyInfo::from_der(&spki).ok()?;
        match info.parsed().ok()? {
            PublicKey::EC(point) => {
                // RFC 5480 section 2.2: 4 says that both numbers follow.
                let [4, point @ ..] = point.data() else { return None };
                let (x, y) = point.split_at(point.len() / 2);
                Some(PublicNumbers::Point { x: x.to_vec(), y: y.to_vec() })
            }
            PublicKey::RSA(rsa) => Some(PublicNumbers::Rsa {
                modulus: trimmed(rsa.modulus).to_vec(),
                exponent: trimmed(rsa.exponent).to_vec(),
            }),
            _ => None,
        }
    }
}

/// Without the zeros that keep a number of DER from being negative.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::KeyType;

    #[test]
    fn every_kind_of_key_has_its_numbers() {
        let numbers = |kind| PrivateKey::generate(kind).public_numbers().expect("numbers");
        for (kind, length) in [(KeyType::P256, 32), (KeyType::P384, 48)] {
            let PublicNumbers::Point { x, y } = numbers(kind) else { panic!("a point") };
            assert_eq!((x.len(), y.len()), (length, length));
        }
        for (kind, length) in [(KeyType::Rsa2048, 256), (KeyType::Rsa4096, 512)] {
            let PublicNumbers::Rsa { modulus, exponent } = numbers(kind) else { panic!("RSA") };
            assert_eq!((modulus.len(), exponent), (length, vec![1, 0, 1]));
        }
    }
}
