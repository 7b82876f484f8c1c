//! list, as protobuf: how long it is comes before all of it.
//!
//! A short list is held until its length is known; a long one is made twice, of the same revision:
//! once to measure it, once to send it. Invariant: memory does not grow with the list.

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::{Sending, Step, shown};
use crate::answer::{self, Answer};
use crate::error::ApiError;
use crate::limits::LIST_PROTOBUF_BYTES_MAX;

pub(super) async fn answer(mut sending: Sending) -> Result<Answer, ApiError> {
    let (range, left) = (sending.range.clone(), sending.left);
    let mut list = list(&sending)?;
    let mut held = Some(Vec::new());
    loop {
        let (part, more) = sending.part(&mut list).await?;
        if list.len() > LIST_PROTOBUF_BYTES_MAX {
            held = None;
        } else if let Some(held) = &mut held {
            held.push(Ok(Bytes::from(part)));
        }
        if !more {
            break;
        }
        tokio::task::yield_now().await;
    }
    let length = list.len();
    let (head, tail) = list
        .close(&sending.metadata()?)
        .map_err(answer::unwritable)?;
    let head = stream::iter([Ok(Bytes::from(head))]);
    let tail = stream::iter([Ok(Bytes::from_static(tail))]);
    let items = match held {
        Some(held) => stream::iter(held).boxed(),
        None => {
            sending.restart(range, left)?;
            again(sending, length)?.boxed()
        }
    };
    let parts = Box::pin(head.chain(items).chain(tail));
    Ok(Answer::Stream(skerry_wire::MEDIA_TYPE, parts))
}

fn list(sending: &Sending) -> Result<skerry_wire::List, ApiError> {
    let (api_version, kind) = sending.encoder.list_kind();
    skerry_wire::List::new(&api_version, &kind).map_err(answer::unwritable)
}

/// The items of a list that was measured.
fn again(
    sending: Sending,
    length: usize,
) -> Result<impl stream::Stream<Item = Result<Bytes, ApiError>> + Send, ApiError> {
    let list = list(&sending)?;
    let state = Some((sending, list));
    Ok(stream::unfold(state, move |state| async move {
        let (mut sending, mut list) = state?;
        if matches!(sending.step, Step::Done) {
            return None;
        }
        tokio::task::yield_now().await;
        let (part, more) = match sending.part(&mut list).await {
            Ok(part) => part,
            Err(error) => return Some((Err(error), None)),
        };
        if !more {
            sending.step = Step::Done;
        }
        // The head has said how long it is: what is not is better cut off than misread.
        let fits = if more {
            list.len() <= length
        } else {
            list.len() == length
        };
        match fits {
            true => Some((Ok(Bytes::from(part)), Some((sending, list)))),
            false => {
                let error = ApiError::internal("a list was not read the same twice");
                Some((Err(error), None))
            }
        }
    }))
}

impl Sending {
    /// The items of the next chunk, and whether there are more.
    async fn part(&mut self, list: &mut skerry_wire::List) -> Result<(Vec<u8>, bool), ApiError> {
        let mut part = Vec::new();
        self.fetch().await?;
        let more = self.items(|encoder, filter, stored| {
            let Some(item) = shown(encoder, filter, stored)? else {
                return Ok(false);
            };
            part.extend(list.item(&item).map_err(answer::unwritable)?);
            Ok(true)
        })?;
        Ok((part, more))
    }
}
