//! TLS, out of files in PEM.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use super::yaml::Tls;

/// What TLS shall be like.
pub fn config(tls: &Tls) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(ring::default_provider());
    let versions = match tls.only_tls13 {
        true => &[&TLS13][..],
        false => &[&TLS13, &TLS12],
    };
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(versions)
        .context("cannot set up TLS")?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.with_context(|| {
                    format!("{} has no certificate to sign with", path.display())
                })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = match tls.client_may_have_none {
                true => verifier.allow_unauthenticated(),
                false => verifier,
            };
            let verifier = verifier.build();
            builder.with_client_cert_verifier(verifier.context("cannot verify certificates")?)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key)
        .with_context(|| format!("cannot read a key from {}", tls.key.display()))?;
    let mut config = builder
        .with_single_cert(certificates(&tls.cert)?, key)
        .with_context(|| format!("{} and its key do not fit", tls.cert.display()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let failed = || format!("cannot read certificates from {}", path.display());
    let read = CertificateDer::pem_file_iter(path).with_context(failed)?;
    let read: Vec<_> = read.collect::<Result<_, _>>().with_context(failed)?;
    match read.is_empty() {
        true => anyhow::bail!("there is no certificate in {}", path.display()),
        false => Ok(read),
    }
}
