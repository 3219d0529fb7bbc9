//! Which servers a client trusts. Without the feature `tls` there is nothing to set, and `wss`
//! addresses are refused.

use std::fmt;

/// How `wss` connections are secured: with rustls, TLS 1.2 and 1.3.
#[derive(Clone)]
#[cfg_attr(not(feature = "tls"), derive(Default))]
pub struct Tls {
    #[cfg(feature = "tls")]
    pub(super) config: std::sync::Arc<rustls::ClientConfig>,
}

/// TLS cannot be set up like this.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsError(pub(super) String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

#[cfg(feature = "tls")]
mod with_rustls {
    use std::sync::Arc;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ClientConfig, RootCertStore};

    use super::{Tls, TlsError};

    impl Default for Tls {
        fn default() -> Self {
            Self::with_roots(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
        }
    }

    impl Tls {
        /// Trusts Mozilla's list of authorities, of the version of `webpki-roots`.
        pub fn new() -> Self {
            Self::default()
        }

        /// Trusts these authorities (PEM, one or several certificates) and no others.
        ///
        /// # Errors
        /// If `pem` holds no certificate, or one that does not parse.
        pub fn with_root_pem(pem: &[u8]) -> Result<Self, TlsError> {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate =
                    certificate.map_err(|error| TlsError(format!("no certificate: {error}")))?;
                roots.add(certificate).map_err(|error| TlsError(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(TlsError("there is no certificate in it".to_string()));
            }
            Ok(Self::with_roots(roots))
        }

        /// Any configuration of rustls: client certificates, other verifiers, other ciphers. It
        /// should offer no protocols (ALPN), or only `http/1.1`.
        pub fn with_config(config: Arc<ClientConfig>) -> Self {
            Self { config }
        }

        fn with_roots(roots: RootCertStore) -> Self {
            // Not the process's default provider: that may be missing, or set twice.
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let versions = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(rustls::ALL_VERSIONS);
            // This provider has suites for both versions.
            #[expect(clippy::expect_used, reason = "cannot fail with these constants")]
            let versions = versions.expect("the provider knows TLS 1.2 and 1.3");
            let mut config = versions.with_root_certificates(roots).with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Self { config: Arc::new(config) }
        }
    }
}
