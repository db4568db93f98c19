//! The connection as the mock serves it: whole, slow, cut, or reset.
//!
//! Such faults belong to the transport, so they are made there: the answer is built in full, with its true
//! `Content-Length`, and only its way to the client is disturbed.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

/// What happens to the next answer of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Open,
    /// The head and this many bytes of the body, then a pause, then the rest.
    Slow {
        body: usize,
        pause: Duration,
    },
    /// The head and this many bytes of the body, then the end of the connection.
    Cut {
        body: usize,
    },
    /// Nothing but a TCP reset.
    Reset,
}

/// The handle by which a request handler sets the [`Flow`] of its own connection.
#[derive(Debug, Clone)]
pub(crate) struct Valve(Arc<Mutex<Flow>>);

impl Valve {
    pub(crate) fn set(&self, flow: Flow) {
        *self.0.lock().unwrap() = flow;
    }

    fn get(&self) -> Flow {
        *self.0.lock().unwrap()
    }
}

impl Connected<IncomingStream<'_, ValveListener>> for Valve {
    fn connect_info(stream: IncomingStream<'_, ValveListener>) -> Self {
        stream.io().valve.clone()
    }
}

/// Accepts connections that have a valve.
#[derive(Debug)]
pub(crate) struct ValveListener(pub(crate) TcpListener);

impl Listener for ValveListener {
    type Io = ValveStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (ValveStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // A delayed segment would show up as time of the API.
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        (ValveStream::new(stream), address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A TCP stream whose writes go through a valve.
pub(crate) struct ValveStream {
    stream: TcpStream,
    valve: Valve,
    /// Bytes that may still be written before the cut or the pause; `None` until the answer begins.
    budget: Option<usize>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl ValveStream {
    fn new(stream: TcpStream) -> Self {
        Self { stream, valve: Valve(Arc::new(Mutex::new(Flow::Open))), budget: None, pause: None }
    }

    /// Writes up to the budget; at its end `None`.
    fn write_some(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        body: usize,
    ) -> Poll<Option<io::Result<usize>>> {
        // The first write of an answer begins with its head; hyper never splits that.
        let budget = *self.budget.get_or_insert_with(|| head_length(bytes) + body);
        if budget == 0 {
            return Poll::Ready(None);
        }
        let written =
            ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..bytes.len().min(budget)]));
        if let Ok(count) = written {
            self.budget = Some(budget - count);
        }
        Poll::Ready(Some(written))
    }

    fn write_slowly(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
        body: usize,
        pause: Duration,
    ) -> Poll<io::Result<usize>> {
        if let Some(written) = ready!(self.write_some(context, bytes, body)) {
            return Poll::Ready(written);
        }
        let timer = self.pause.get_or_insert_with(|| Box::pin(sleep(pause)));
        ready!(timer.as_mut().poll(context));
        self.pause = None;
        self.budget = None;
        self.valve.set(Flow::Open);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
}

fn head_length(answer: &[u8]) -> usize {
    answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(answer.len(), |at| at + 4)
}

impl AsyncWrite for ValveStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.valve.get() {
            Flow::Open => Pin::new(&mut self.stream).poll_write(context, bytes),
            Flow::Slow { body, pause } => self.write_slowly(context, bytes, body, pause),
            Flow::Cut { body } => {
                let written = ready!(self.write_some(context, bytes, body));
                Poll::Ready(written.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into())))
            }
            Flow::Reset => {
                self.stream.set_zero_linger()?;
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.valve.get() == Flow::Open {
            return Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(context, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncRead for ValveStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}
