//! The HTTP side, on a thread of its own: slow, huge and malformed requests do not disturb tracing, and many at once
//! share one reading of the maps and one writing of it.

mod answer;
mod cache;
mod connection;
mod timed;
pub mod web;

use std::{io, net::SocketAddr, sync::Arc, thread};

use anyhow::Context as _;
use tokio::net::TcpSocket;

use super::{hub, own::Served, privileges};

pub use answer::Site;
pub use cache::Scrapes;

/// Connections that wait to be accepted, at most.
const BACKLOG: u32 = 1024;

/// A socket that is bound, and not served yet.
pub struct Listener {
    socket: std::net::TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds the address. Must be called within a runtime.
    pub fn bind(address: SocketAddr) -> anyhow::Result<Self> {
        let bind = || -> io::Result<Self> {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let socket = socket.listen(BACKLOG)?.into_std()?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        bind().with_context(|| {
            format!("cannot listen on {address}: choose another address by --listen or --export")
        })
    }

    /// Where it listens: with the port that the kernel chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on a thread of its own until the process ends.
    pub fn serve(
        self,
        requests: hub::Requests,
        served: Arc<Served>,
        web: web::Current,
    ) -> anyhow::Result<()> {
        let site = Site::new(Scrapes::new(requests, served), web);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serve = move || {
            // What it does takes no privileges.
            let served = privileges::give_up_all()
                .and_then(|()| Ok(runtime.block_on(connection::serve(self.socket, site.into()))?));
            if let Err(error) = served {
                log::error!("nothing is served any more: {error:#}");
                std::process::exit(1);
            }
        };
        thread::Builder::new()
            .name("http".to_owned())
            .spawn(serve)
            .context("cannot start the thread that serves HTTP")?;
        Ok(())
    }
}
