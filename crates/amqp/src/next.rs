//! Streams and futures, without a crate for them.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use futures_core::Stream;

/// The next item. This may be dropped, and asked for again.
pub(crate) async fn next<S: Stream + ?Sized>(mut stream: Pin<&mut S>) -> Option<S::Item> {
    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}

/// The next item, if it is there. Nobody is woken when it comes later.
pub(crate) fn next_now<S: Stream + ?Sized>(stream: Pin<&mut S>) -> Poll<Option<S::Item>> {
    stream.poll_next(&mut Context::from_waker(Waker::noop()))
}

/// The output of a future, if it is there. Nobody is woken when it comes later.
pub(crate) fn poll_now<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
