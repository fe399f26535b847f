//! TLS, basic authentication and headers, by the web configuration file that Prometheus' own programs have:
//! github.com/prometheus/exporter-toolkit, `docs/web-configuration.md`.

mod auth;
mod tls;
mod yaml;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use hyper::header::{HeaderName, HeaderValue};
use rustls::ServerConfig;

pub use auth::{Guard, Verdict};

/// What a web configuration file says.
#[derive(Default)]
pub struct Web {
    /// TLS; plain HTTP without it.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who may come in; everyone without it.
    pub guard: Option<Arc<Guard>>,
    /// Headers of every answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Web {
    /// Reads the file, and those that it names.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = yaml::read(path)?;
        Ok(Self {
            tls: file
                .tls
                .as_ref()
                .map(tls::config)
                .transpose()?
                .map(Arc::new),
            guard: (!file.users.is_empty()).then(|| Arc::new(Guard::new(file.users))),
            headers: file.headers,
        })
    }
}

/// The web configuration as it is at the moment: it can be read again while requests are served.
#[derive(Clone, Default)]
pub struct Current(Arc<Mutex<Arc<Web>>>);

impl Current {
    /// Begins with this one.
    pub fn new(web: Web) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(web))))
    }

    /// That of this moment.
    pub fn get(&self) -> Arc<Web> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// From the next connection on, this one counts.
    pub fn set(&self, web: Web) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(web);
    }
}
