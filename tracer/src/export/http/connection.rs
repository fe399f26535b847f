//! Connections: how many, for how long, and how large their requests may be.

use std::{io, pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{Site, timed::Timed};

/// Connections at a time, at most; more wait to be accepted.
const CONNECTIONS_MAX: usize = 2000;

/// A request's head must be there within so long; a connection that is kept open is closed after as long
/// without one.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// A connection is closed after so long, and what is being answered within [`HEAD_TIME`] then.
const CONNECTION_TIME: Duration = Duration::from_secs(600);

/// Bytes of a request's head, at most.
const HEAD_BYTES: usize = 16 * 1024;

/// Headers of a request, at most.
const HEADERS_MAX: usize = 64;

/// Accepts connections for ever.
pub async fn serve(socket: std::net::TcpListener, site: Arc<Site>) -> io::Result<()> {
    let listener = TcpListener::from_std(socket)?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let permit = room
            .clone()
            .acquire_owned()
            .await
            .expect("it is never closed");
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, site.clone(), permit));
            }
            Err(error) => {
                // Out of file descriptors, or the other side has gone already: neither lasts.
                log::warn!("cannot accept a connection: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, site: Arc<Site>, permit: OwnedSemaphorePermit) {
    // A scrape is one large answer: nothing is gained by waiting for more.
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("a connection sends late: {error}");
    }
    let stream = Timed::new(stream);
    let result = match &site.web().tls {
        None => talk(stream, &site).await,
        Some(config) => {
            let handshake = TlsAcceptor::from(config.clone()).accept(stream);
            match timeout(HEAD_TIME, handshake).await {
                Ok(Ok(stream)) => talk(stream, &site).await,
                Ok(Err(error)) => Err(error.into()),
                Err(late) => Err(late.into()),
            }
        }
    };
    if let Err(error) = result {
        site.served().refused();
        log::debug!("a connection was closed: {error:#}");
    }
    drop(permit);
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, site: &Arc<Site>) -> anyhow::Result<()> {
    let service = service_fn(|request| {
        let site = site.clone();
        async move { site.answer(request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = match timeout(CONNECTION_TIME, connection.as_mut()).await {
        Ok(result) => result,
        // It was open long enough. A scraper that is in the midst of an answer gets the whole of it.
        Err(_) => {
            connection.as_mut().graceful_shutdown();
            timeout(HEAD_TIME, connection).await?
        }
    };
    Ok(result?)
}
